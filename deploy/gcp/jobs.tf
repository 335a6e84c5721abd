# Brings the database to a release before its services start: gcloud run jobs execute migrate --wait
resource "google_cloud_run_v2_job" "migrate" {
  name                = "migrate"
  location            = var.region
  deletion_protection = false

  template {
    template {
      service_account = google_service_account.migrate.email
      max_retries     = 0
      timeout         = "3600s"
      containers {
        image = "${local.images}/migrate:${var.release}"
        env {
          name = "DATABASE_URL"
          value_source {
            secret_key_ref {
              secret  = google_secret_manager_secret.setting["DATABASE_URL"].secret_id
              version = "latest"
            }
          }
        }
      }
      dynamic "vpc_access" {
        for_each = var.create_database ? [var.network] : []
        content {
          egress = "PRIVATE_RANGES_ONLY"
          network_interfaces {
            network = vpc_access.value
          }
        }
      }
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.migrate]
}

# Looks at the source, indexes what waits, uploads too, and ends. Two at once share the work.
resource "google_cloud_run_v2_job" "ingestion" {
  name                = "rag-pipeline"
  location            = var.region
  deletion_protection = false

  template {
    template {
      service_account = google_service_account.ingestion.email
      max_retries     = 0
      timeout         = "3600s"
      containers {
        image = "${local.images}/rag-pipeline:${var.release}"
        resources {
          # Files in /tmp count as memory here.
          limits = { cpu = "2", memory = "4Gi" }
        }
        dynamic "env" {
          for_each = merge({
            RAG_PIPELINE_TYPE            = var.ingestion_type
            RUN_MODE                     = "single"
            RAG_WATCH_FOLDER_ID          = var.watch_folder_id
            RAG_EXTRACT_PROCESSES        = "2"
            RAG_EXTRACT_MEMORY_MAX_BYTES = "1073741824"
            DATABASE_POOL_MAX_SIZE       = "6"
          }, { for name, value in local.shared_settings : name => value if contains(local.settings_of_ingestion, name) })
          content {
            name  = env.key
            value = env.value
          }
        }
        dynamic "env" {
          for_each = local.ingestion_secrets
          content {
            name = env.value
            value_source {
              secret_key_ref {
                secret  = google_secret_manager_secret.setting[env.value].secret_id
                version = "latest"
              }
            }
          }
        }
      }
      dynamic "vpc_access" {
        for_each = var.create_database ? [var.network] : []
        content {
          egress = "PRIVATE_RANGES_ONLY"
          network_interfaces {
            network = vpc_access.value
          }
        }
      }
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.ingestion]
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  name     = google_cloud_run_v2_job.ingestion.name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler.member
}

resource "google_cloud_scheduler_job" "ingestion" {
  name             = "rag-pipeline"
  region           = var.region
  schedule         = var.ingestion_schedule
  attempt_deadline = "60s"

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.ingestion.id}:run"
    oauth_token {
      service_account_email = google_service_account.scheduler.email
    }
  }

  depends_on = [google_project_service.needed]
}
