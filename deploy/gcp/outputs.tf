output "address" {
  description = "Point both names here (A records); the certificate follows within the hour."
  value       = google_compute_global_address.public.address
}

output "images" {
  description = "Where images are pushed to."
  value       = local.images
}

output "site_bucket" {
  description = "Where the built site is copied to."
  value       = google_storage_bucket.site.name
}

output "database_address" {
  description = "The host for DATABASE_URL, with create_database."
  value       = var.create_database ? google_sql_database_instance.main[0].private_ip_address : null
}
