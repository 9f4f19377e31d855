"""What each stage shows, one module a stage, named like it: ``show(results) -> Shown``; ``default`` serves all others.

UI, report and command line show what these return. Stages of one name in two flows share a module.
"""
