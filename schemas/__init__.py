"""What the rooms agree on: checked value types, recipes, Arrow schemas, plans, reports and manifests."""
