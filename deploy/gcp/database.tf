# Only with create_database: Postgres with pgvector, reached by a private address. bootstrap.sql prepares it (README). Its
# password is set by hand, so that it does not stand in Terraform's state.
locals {
  # By its name: looked up, it would be unknown as long as an API is still to be switched on, and the address made anew.
  database_network = "projects/${var.project}/global/networks/${var.network}"
}

resource "google_compute_global_address" "database" {
  count         = var.create_database ? 1 : 0
  name          = "dynamous-agent-database"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
  network       = local.database_network
  depends_on    = [google_project_service.needed]
}

resource "google_service_networking_connection" "database" {
  count                   = var.create_database ? 1 : 0
  network                 = local.database_network
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.database[0].name]
}

resource "google_sql_database_instance" "main" {
  count               = var.create_database ? 1 : 0
  name                = "dynamous-agent"
  region              = var.region
  database_version    = "POSTGRES_17"
  deletion_protection = true

  settings {
    edition           = "ENTERPRISE"
    tier              = var.database_tier
    availability_type = "REGIONAL"
    disk_autoresize   = true
    ip_configuration {
      ipv4_enabled    = false
      private_network = local.database_network
      ssl_mode        = "ENCRYPTED_ONLY"
    }
    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      backup_retention_settings {
        retained_backups = 14
      }
    }
    maintenance_window {
      day  = 7
      hour = 3
    }
  }

  depends_on = [google_service_networking_connection.database]
}
