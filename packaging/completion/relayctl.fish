# fish completion for relayctl. It asks the program for its commands, and a running relayd for names.

function __relayctl_commands
    relayctl --help 2>/dev/null | string match -rg '^  ([a-z][a-z-]*)'
end

function __relayctl_servers
    relayctl --json servers 2>/dev/null | string match -arg '"upstream":"([^"]*)","server":"([^"]*)"' | paste -d/ - -
end

function __relayctl_listeners
    relayctl --json status 2>/dev/null | string match -arg '\{"name":"([^"]*)","addresses"'
end

complete -c relayctl -f
complete -c relayctl -n 'not __fish_seen_subcommand_from (__relayctl_commands)' -a '(__relayctl_commands)'
complete -c relayctl -n '__fish_seen_subcommand_from drain down ready weight servers' -a '(__relayctl_servers)'
complete -c relayctl -n '__fish_seen_subcommand_from top' -a 'servers connections clients events'
complete -c relayctl -n '__fish_seen_subcommand_from connections tail kill drain-client' -a '(printf "%s\n" client= listener=(__relayctl_listeners) server=(__relayctl_servers))'
complete -c relayctl -n '__fish_seen_subcommand_from tail' -a 'failed=yes end='
complete -c relayctl -s s -l socket -r -F -d 'ask at this socket'
complete -c relayctl -l json -d 'print the answer as it came'
complete -c relayctl -l reconnect -d 'tail, events: go on with the next relayd'
complete -c relayctl -s V -l version -d 'print the version'
complete -c relayctl -s h -l help -d 'print a short help'
