# Sourced by run, test and the scripts beside this file: the virtual environment and the Debian packages.
# The caller has set ROOT to the checkout.

say() { printf '%s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# as_root COMMAND...: run it with the rights that apt-get needs, or return 1 when there is no way to get them.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif ! command -v sudo >/dev/null; then
    return 1
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# apt_install PACKAGE...: install without questions and without starting the services that come with a package.
apt_install() {
  local policy=/usr/sbin/policy-rc.d wrote_policy=no failed=no
  command -v apt-get >/dev/null || die "Missing: $*. There is no apt-get here: install what provides them and run this again."
  as_root true 2>/dev/null || die "Missing: $*. Neither root nor sudo here: ask for 'apt-get install $*' and run this again."
  say "Installing Debian packages: $* (apt-get; their services are not started)"
  if [ ! -e "$policy" ]; then
    # Debian starts a service on installation unless this file answers 101 ("forbidden").
    # shellcheck disable=SC2016
    as_root sh -c 'printf "#!/bin/sh\nexit 101\n" > "$0" && chmod 755 "$0"' "$policy"
    wrote_policy=yes
  fi
  { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@"; } >&2 </dev/null || failed=yes
  [ "$wrote_policy" = no ] || as_root rm -f "$policy"
  [ "$failed" = no ] || die "apt-get could not install: $*"
}

# usable_python PYTHON: new enough, and able to make a virtual environment with pip.
usable_python() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
  local candidate
  for candidate in python3.11 python3 python3.12 python3.13 python3.14; do
    if usable_python "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

# Debian keeps ensurepip in a package of its own per Python version.
install_python_venv() {
  local version=3.11
  if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  fi
  apt_install "python$version" "python$version-venv"
}

# ensure_venv: .venv holds exactly what requirements.lock names, and mltriage itself from this checkout.
ensure_venv() {
  local stamp="$ROOT/.venv/stamp" want python
  want=$(printf '%s\n' "$ROOT" | cat - "$ROOT/requirements.lock" "$ROOT/pyproject.toml" | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || return 0
  # Scripts in a virtual environment hold its absolute path: one that was moved or copied is made anew.
  if [ "$("$ROOT/.venv/bin/python" -c 'import sys; print(sys.prefix)' 2>/dev/null)" != "$ROOT/.venv" ] ||
    ! head -n 1 "$ROOT/.venv/bin/pip" 2>/dev/null | grep -qF "$ROOT/.venv/"; then
    python=$(find_python) || { install_python_venv; python=$(find_python) || die "Python 3.11 or newer with venv is needed."; }
    say "Creating $ROOT/.venv with $("$python" --version)"
    "$python" -m venv --clear "$ROOT/.venv"
  fi
  say "Installing the locked versions of requirements.lock (about a minute)"
  "$ROOT/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps -r "$ROOT/requirements.lock" >&2
  "$ROOT/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation \
    --editable "$ROOT" >&2
  printf '%s\n' "$want" >"$stamp"
}
