"""What mkdocs needs beyond docs/ to build the site: pages that lie elsewhere, and notebooks."""
