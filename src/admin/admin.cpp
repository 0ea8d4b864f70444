// The admin port: health and readiness, apart from the traffic.
