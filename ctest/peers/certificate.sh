# Run with a path, and a name if it is not localhost: makes PATH.pem, a certificate for it signed by itself, and PATH.key.
name=${2:-localhost}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$name" \
  -addext "subjectAltName=DNS:$name,IP:127.0.0.1" -keyout "$1.key" -out "$1.pem" 2>/dev/null
