#!/usr/bin/env bash
# rank.sh lead|follow   what a pod of deploy/nativeffn.yaml does: the first launches the server on all, the others let it in by ssh
# One key of the secret is every pod's host key and the way in, so that nobody else is let in or believed.
set -euo pipefail

port=2222
secret=${RANKS_SECRET:-/etc/nativeffn-ssh}
keys=$(mktemp -d)
install -m 600 "$secret/id_ed25519" "$keys/key"
install -m 600 "$secret/id_ed25519.pub" "$keys/authorized"

follow() {
    exec /usr/sbin/sshd -D -e -p "$port" -h "$keys/key" -f /dev/null \
        -o AuthorizedKeysFile="$keys/authorized" -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no -o UsePAM=no \
        -o StrictModes=no -o PidFile=none
}

# hosts ADDRESS SIZE: the pods of a group by name, the leader first: NAME-0.NAME.space, NAME-0-1.NAME.space, ...
hosts() {
    local name=${1%%.*} rest=${1#*.} index
    printf '%s' "$1"
    for ((index = 1; index < $2; index++)); do
        printf ',%s-%d.%s' "$name" "$index" "$rest"
    done
}

lead() {
    local list host ssh variable
    local -a exported=()
    list=$(hosts "$LWS_LEADER_ADDRESS" "$LWS_GROUP_SIZE")
    sed 's/^/* /' "$keys/authorized" >"$keys/known"
    ssh="-p $port -i $keys/key -o UserKnownHostsFile=$keys/known -o StrictHostKeyChecking=yes -o BatchMode=yes -o ConnectTimeout=5"

    # Pods start in any order; the group's start-up probe ends a wait in vain.
    for host in ${list//,/ }; do
        # shellcheck disable=SC2086 # options are words
        until [[ $host == "$LWS_LEADER_ADDRESS" ]] || ssh $ssh "$host" true 2>/dev/null; do
            sleep 1
        done
    done

    # The others load the same models. Keys of clients stay here.
    for variable in $(compgen -e); do
        case $variable in NativeFfn__* | Logging__* | DOTNET_*) exported+=(-x "$variable") ;; esac
    done

    exec mpirun --host "$list" --map-by ppr:1:node --bind-to none --mca plm_rsh_args "$ssh" \
        --mca odls_base_sigkill_timeout "${RANKS_GRACE_SECONDS:-45}" "${exported[@]}" \
        /app/nativeffn serve
}

case ${1:-} in
lead) lead ;;
follow) follow ;;
hosts) hosts "$2" "$3" ;;
*) echo "rank.sh: error: '${1:-}' is neither lead nor follow." >&2 && exit 2 ;;
esac
