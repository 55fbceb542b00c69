from importlib.metadata import version

from jinja2 import Template

text = Template("Dear {{ name }}, your order is paid.").render(name="Ada")
print(f"{text} (markupsafe {version('markupsafe').partition('.')[0]})")
