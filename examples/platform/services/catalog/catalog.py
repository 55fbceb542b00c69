from importlib.metadata import version

from jinja2 import Template
from platform_money import shown

text = Template("{{ name }}: {{ price }}").render(name="kettle", price=shown(3999))
print(f"{text} (markupsafe {version('markupsafe').partition('.')[0]})")
