"""The study's report: from results/<profile>/ to what people read in reports/<profile>/."""
