"""The types of params.yaml: one module a section, named as the section."""
