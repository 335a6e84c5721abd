# One address for both names: the site from its bucket, the API from Cloud Run. TLS by certificates that Google renews.
resource "google_compute_global_address" "public" {
  name       = "dynamous-agent"
  depends_on = [google_project_service.needed]
}

resource "google_compute_managed_ssl_certificate" "public" {
  name = "dynamous-agent"
  managed {
    domains = [var.site_hostname, var.api_hostname]
  }
  depends_on = [google_project_service.needed]
}

resource "google_compute_region_network_endpoint_group" "api" {
  name                  = "agent-api"
  region                = var.region
  network_endpoint_type = "SERVERLESS"
  cloud_run {
    service = google_cloud_run_v2_service.api.name
  }
}

# No CDN: it would hold event streams back.
resource "google_compute_backend_service" "api" {
  name                  = "agent-api"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  backend {
    group = google_compute_region_network_endpoint_group.api.id
  }
  custom_response_headers = ["Strict-Transport-Security: max-age=31536000; includeSubDomains"]
}

resource "google_compute_url_map" "public" {
  name            = "dynamous-agent"
  default_service = google_compute_backend_bucket.site.id

  host_rule {
    hosts        = [var.site_hostname]
    path_matcher = "site"
  }
  host_rule {
    hosts        = [var.api_hostname]
    path_matcher = "api"
  }

  path_matcher {
    name            = "site"
    default_service = google_compute_backend_bucket.site.id
    # Every address that is no file is a page of the site.
    default_custom_error_response_policy {
      error_response_rule {
        match_response_codes   = ["404"]
        path                   = "/index.html"
        override_response_code = 200
      }
      error_service = google_compute_backend_bucket.site.id
    }
  }
  path_matcher {
    name            = "api"
    default_service = google_compute_backend_service.api.id
  }
}

resource "google_compute_target_https_proxy" "public" {
  name             = "dynamous-agent"
  url_map          = google_compute_url_map.public.id
  ssl_certificates = [google_compute_managed_ssl_certificate.public.id]
}

resource "google_compute_global_forwarding_rule" "https" {
  name                  = "dynamous-agent-https"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.public.id
  port_range            = "443"
  target                = google_compute_target_https_proxy.public.id
}

resource "google_compute_url_map" "to_https" {
  name = "dynamous-agent-to-https"
  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "MOVED_PERMANENTLY_DEFAULT"
    strip_query            = false
  }
  depends_on = [google_project_service.needed]
}

resource "google_compute_target_http_proxy" "to_https" {
  name    = "dynamous-agent-to-https"
  url_map = google_compute_url_map.to_https.id
}

resource "google_compute_global_forwarding_rule" "http" {
  name                  = "dynamous-agent-http"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.public.id
  port_range            = "80"
  target                = google_compute_target_http_proxy.to_https.id
}
