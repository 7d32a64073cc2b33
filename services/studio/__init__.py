"""What the studio shows of a running stack."""
