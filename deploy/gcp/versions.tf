terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.0"
    }
  }
  # A bucket of yours keeps the state: terraform init -backend-config="bucket=..." (the state holds no secret).
  backend "gcs" {
    prefix = "dynamous-agent"
  }
}

provider "google" {
  project = var.project
  region  = var.region
}
