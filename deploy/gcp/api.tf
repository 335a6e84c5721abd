resource "google_cloud_run_v2_service" "api" {
  name                = "agent-api"
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
  deletion_protection = false

  template {
    service_account = google_service_account.api.email
    # An open page holds one stream of its balance: it attaches again when this ends it.
    timeout = "3600s"
    # Streams mostly wait; new instances come by CPU.
    max_instance_request_concurrency = 400

    scaling {
      min_instance_count = var.api_instances_min
      max_instance_count = var.api_instances_max
    }

    containers {
      image = "${local.images}/agent-api:${var.release}"
      ports {
        container_port = 8001
      }
      resources {
        limits = { cpu = "2", memory = "1Gi" }
        # Answers go on without their readers, leases are renewed, payments are compared: it works between requests too.
        cpu_idle = false
      }
      # A release whose database lacks a script does not go live.
      startup_probe {
        http_get {
          path = "/health/ready"
        }
        period_seconds    = 5
        timeout_seconds   = 4
        failure_threshold = 40
      }
      # Not readiness: without its database every instance would be restarted, and none would be the better for it.
      liveness_probe {
        http_get {
          path = "/health"
        }
        period_seconds    = 15
        timeout_seconds   = 5
        failure_threshold = 4
      }
      dynamic "env" {
        for_each = merge({
          FRONTEND_URL           = "https://${var.site_hostname}"
          DATABASE_POOL_MAX_SIZE = "10"
          # Cloud Run gives ten seconds after its stop signal. What is not answered by then is settled at once.
          SHUTDOWN_GRACE_SECONDS            = "5"
          UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN = "8"
          DATABASE_START_DEADLINE_SECONDS   = "180"
        }, { for name, value in local.shared_settings : name => value if contains(local.settings_of_api, name) })
        content {
          name  = env.key
          value = env.value
        }
      }
      dynamic "env" {
        for_each = local.api_secrets
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

  depends_on = [google_secret_manager_secret_iam_member.api]
}

# Who asks is checked by the API itself: the browser's jwt, Stripe's signature.
resource "google_cloud_run_v2_service_iam_member" "public" {
  name     = google_cloud_run_v2_service.api.name
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}
