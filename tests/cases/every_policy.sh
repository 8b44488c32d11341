# Runs a line of Lua over an input under each policy of errors, and shows how it ended and what the
# quarantine holds. Both outputs are headed by the policy's name. For the cases' cmd files:
#
#     . "$SOURCE/tests/cases/every_policy.sh"
#     every_policy CODE [INPUT...] [OPTION...]

every_policy() {
    for policy in fail skip quarantine; do
        echo "# $policy"
        echo "# $policy" >&2
        if [ $policy = quarantine ]; then
            echo '{"stale": true}' >quarantine.jsonl
            set -- "$@" --set errors.quarantine=quarantine.jsonl
        fi
        tidemill each "$@" --set errors.policy=$policy
        echo "exit $?"
    done
    echo "# quarantine.jsonl"
    cat quarantine.jsonl
}
