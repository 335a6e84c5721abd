# Only their names: values are added by hand (README) and never stand in Terraform's state.
locals {
  all_secrets       = setunion(var.secrets, var.ingestion_type == "google_drive" ? ["GOOGLE_DRIVE_CREDENTIALS_JSON"] : [])
  api_secrets       = [for name in sort(tolist(local.all_secrets)) : name if contains(local.secrets_of_api, name)]
  ingestion_secrets = [for name in sort(tolist(local.all_secrets)) : name if contains(local.secrets_of_ingestion, name)]
}

resource "google_secret_manager_secret" "setting" {
  for_each  = local.all_secrets
  secret_id = each.key
  replication {
    auto {}
  }
  depends_on = [google_project_service.needed]
}

resource "google_secret_manager_secret_iam_member" "api" {
  for_each  = toset(local.api_secrets)
  secret_id = google_secret_manager_secret.setting[each.key].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.api.member
}

resource "google_secret_manager_secret_iam_member" "ingestion" {
  for_each  = toset(local.ingestion_secrets)
  secret_id = google_secret_manager_secret.setting[each.key].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.ingestion.member
}

resource "google_secret_manager_secret_iam_member" "migrate" {
  secret_id = google_secret_manager_secret.setting["DATABASE_URL"].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.migrate.member
}
