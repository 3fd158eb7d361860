# haproxy in a folder: haproxy.sh FOLDER PORT NAME answers requests as NAME, over TLS if TLS=yes is in its environment;
# HAPROXY_LISTEN there is what it does in place of that.
set -e
folder=$1
port=$2
name=$3
mkdir -p "$folder"
tls=
if [ "$TLS" = yes ]; then
  sh "$(dirname "$0")/certificate.sh" "$folder/cert" "$name"
  cat "$folder/cert.key" >>"$folder/cert.pem"
  tls="ssl crt $folder/cert.pem"
fi
answer="  http-request return status 404 content-type text/plain string \"not here\" unless { path / }
  http-request return status 200 content-type text/plain lf-string \"$name %[req.hdr(host)]\""
cat >"$folder/haproxy.cfg" <<END
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen main
  bind 127.0.0.1:$port $tls
${HAPROXY_LISTEN:-$answer}
END
exec haproxy -db -f "$folder/haproxy.cfg"
