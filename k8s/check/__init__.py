"""What k8s/ gives, rendered, validated strictly against Kubernetes' schemas, and held to rules of our own."""
