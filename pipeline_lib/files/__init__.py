"""Files from elsewhere: downloads over HTTP, and packages of a registry.

How a file is downloaded changes nothing in it, so no stage's key covers `fetch` and `packages`
(see ``NOT_COMPUTING`` in `pipeline_lib.stages.reach`): whoever uses them identifies the content by a digest or a fingerprint.
"""
