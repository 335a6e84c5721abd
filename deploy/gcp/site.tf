# The built site in a bucket behind Google's CDN. README: how a release gets there.
resource "google_storage_bucket" "site" {
  name                        = "${var.project}-site"
  location                    = var.region
  uniform_bucket_level_access = true
  website {
    main_page_suffix = "index.html"
  }
  depends_on = [google_project_service.needed]
}

resource "google_storage_bucket_iam_member" "site_is_public" {
  bucket = google_storage_bucket.site.name
  role   = "roles/storage.objectViewer"
  member = "allUsers"
}

resource "google_compute_backend_bucket" "site" {
  name             = "site"
  bucket_name      = google_storage_bucket.site.name
  enable_cdn       = true
  compression_mode = "AUTOMATIC"
  cdn_policy {
    # What each file says of itself: assets for a year, the page never unasked.
    cache_mode = "USE_ORIGIN_HEADERS"
  }
  custom_response_headers = [
    # The page carries the rest of its policy, with the two hosts it may talk to; a page cannot say this part.
    "Content-Security-Policy: frame-ancestors 'none'",
    "Strict-Transport-Security: max-age=31536000; includeSubDomains",
    "X-Content-Type-Options: nosniff",
    "X-Frame-Options: DENY",
    "Referrer-Policy: no-referrer",
    "Permissions-Policy: camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy: same-origin",
  ]
}
