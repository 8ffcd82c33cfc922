"""The language of temporal rules: what stands in the key `holds` of a policy rule. See docs/policy-language.md."""
