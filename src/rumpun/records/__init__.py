"""The nouns that every room shares: where things lie, documents, licences, artefacts, lineage.

Reading order: `places` (folders on disk), `json_files` (small files of ours), `documents` (one text with its source),
`licences` (what a licence obliges), `artefacts` (a folder whose manifest is written last), `lineage` (from an artefact
back to its sources), `attestation` (stages as statements that can be signed).
"""
