"""The embedded reference agent: a small bank's assistant made of a prompt, a search and a triage model.

It runs offline and is the same on every run, so that a change of any of its three artifacts can be measured.
"""
