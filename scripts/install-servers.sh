#!/bin/sh
# Installs the named Debian packages (postgresql, nats-server) for their programs only: no cluster
# is made, no daemon is started now or at the next boot. Needs root. Whatever it changes on the
# machine for that purpose is put back, also when it fails or is interrupted.
set -eu

policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.conf
policy_is_ours=
clusters_kept=

put_back() {
    if [ -n "$policy_is_ours" ]; then rm -f "$policy"; fi
    if [ -n "$clusters_kept" ] && [ -e "$clusters_kept" ]; then mv -f "$clusters_kept" "$clusters"; fi
}
trap put_back EXIT
trap 'exit 130' HUP INT TERM

install() {
    DEBIAN_FRONTEND=noninteractive \
        apt-get -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 install "$@"
}

# "101: not allowed" is what packages ask this script for before they start a daemon.
if [ ! -e "$policy" ]; then
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi

apt-get -qq update

for package in "$@"; do
    case $package in
    postgresql)
        # The file that forbids a cluster belongs to postgresql-common, so that comes first.
        install postgresql-common
        clusters_kept=$clusters.before-vbwd
        cp -p "$clusters" "$clusters_kept"
        echo 'create_main_cluster = false' >> "$clusters"
        install postgresql
        ;;
    nats-server)
        install nats-server
        if command -v systemctl >/dev/null 2>&1; then systemctl disable --quiet nats-server || true; fi
        ;;
    *)
        install "$package"
        ;;
    esac
done
