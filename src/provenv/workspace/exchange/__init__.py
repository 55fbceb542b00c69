"""What comes from other tools and goes to them: imports, exports, pipelines, packages, new projects."""
