"""Documents -> attributes beside them: language, normalised text, figures, quality, personal data, toxicity, benchmark overlap."""
