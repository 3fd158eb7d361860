# nginx in a folder: nginx.sh FOLDER PORT [NAME], over TLS (and HTTP/2) as NAME if it is given; NGINX_SERVER in its
# environment is put into the server block.
set -e
folder=$1
port=$2
name=$3
mkdir -p "$folder/www" "$folder/temp"
printf 'hello from nginx\n' >"$folder/www/hello.txt"
head -c 5000000 /dev/zero | tr '\0' n >"$folder/www/large.txt"
head -c 5000000 /dev/urandom >"$folder/www/large.bin"
listen="127.0.0.1:$port"
tls=
if [ -n "$name" ]; then
  sh "$(dirname "$0")/certificate.sh" "$folder/cert" "$name"
  listen="$listen ssl http2"
  tls="ssl_certificate $folder/cert.pem; ssl_certificate_key $folder/cert.key;"
fi
cat >"$folder/nginx.conf" <<END
daemon off; master_process off; worker_processes 1; pid $folder/nginx.pid; error_log $folder/error.log;
events { worker_connections 200; }
http {
  access_log off; types { text/plain txt; } default_type application/octet-stream;
  client_body_temp_path $folder/temp/body; proxy_temp_path $folder/temp/proxy; fastcgi_temp_path $folder/temp/fastcgi;
  uwsgi_temp_path $folder/temp/uwsgi; scgi_temp_path $folder/temp/scgi;
  client_max_body_size 100m; gzip on; gzip_min_length 100;
  server {
    listen $listen; root $folder/www; $tls
    location = /name { default_type text/plain; return 200 "${name:-nginx} \$http_host \$http_x_from \$server_protocol"; }
    location = /count { default_type text/plain; return 201 "\$request_method \$http_content_length"; }
    location = /upload { proxy_pass http${name:+s}://127.0.0.1:$port/count; proxy_http_version 1.1; }
    location = /moved { return 302 /hello.txt; }
    location = /dies { return 444; }
    $NGINX_SERVER
  }
}
END
exec nginx -e "$folder/error.log" -c "$folder/nginx.conf"
