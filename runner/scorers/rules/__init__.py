"""The language of policy rules (`model`), and what each kind of rule finds in a trajectory."""
