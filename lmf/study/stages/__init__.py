"""The stages of dvc.yaml that compute something, one file each."""
