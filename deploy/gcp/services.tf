# What Google must have switched on. Whatever is made waits for it; an API that was only just switched on may refuse for a
# minute more. Terraform itself needs two before it can switch on others (README, step 1).
resource "google_project_service" "needed" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "cloudscheduler.googleapis.com",
    "compute.googleapis.com",
    "iam.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "servicenetworking.googleapis.com",
    "sqladmin.googleapis.com",
  ])
  service            = each.key
  disable_on_destroy = false
}

resource "google_artifact_registry_repository" "images" {
  repository_id = "dynamous-agent"
  location      = var.region
  format        = "DOCKER"
  # Old releases stay as long as somebody may want to go back to them.
  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"
    most_recent_versions {
      keep_count = 20
    }
  }
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "7776000s"
    }
  }
  depends_on = [google_project_service.needed]
}

locals {
  images = "${google_artifact_registry_repository.images.location}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"

  # Each service gets of these what it reads. Secrets are in secrets.tf.
  shared_settings = merge({
    ENVIRONMENT    = "production"
    SUPABASE_URL   = var.supabase_url
    UPLOAD_STORAGE = "postgres"
  }, var.settings)
}

# Nothing but what it is given here: each program runs as an account of its own.
resource "google_service_account" "api" {
  account_id   = "agent-api"
  display_name = "Agent API"
  depends_on   = [google_project_service.needed]
}

resource "google_service_account" "ingestion" {
  account_id   = "rag-pipeline"
  display_name = "Ingestion worker"
  depends_on   = [google_project_service.needed]
}

resource "google_service_account" "migrate" {
  account_id   = "migrate"
  display_name = "Database upgrade"
  depends_on   = [google_project_service.needed]
}

resource "google_service_account" "scheduler" {
  account_id   = "rag-scheduler"
  display_name = "Starts the ingestion job"
  depends_on   = [google_project_service.needed]
}
