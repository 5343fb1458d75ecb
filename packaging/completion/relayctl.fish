# fish completion for relayctl. It asks the program for its commands and options, and a running relayd for names.

function __relayctl_commands
    relayctl --help 2>/dev/null | string match -rg '^  ([a-z][a-z-]*)'
end

# The command on the line; false: there is none yet.
function __relayctl_command
    set -l before ''
    set -l words (commandline -opc)
    set -e words[1]
    for word in $words
        if not string match -q -- '-*' $word; and not contains -- $before -s --socket -n --rounds --timeout --for
            echo $word
            return 0
        end
        set before $word
    end
    return 1
end

function __relayctl_is
    contains -- (__relayctl_command) $argv
end

# At the socket that the line names.
function __relayctl_ask
    set -l words (commandline -opc)
    set -l socket
    for i in (seq 2 (math (count $words) - 1))
        contains -- $words[$i] -s --socket; and set socket -s $words[(math $i + 1)]
    end
    relayctl $socket --json $argv 2>/dev/null
end

function __relayctl_servers
    __relayctl_ask servers | string match -arg '"upstream":"([^"]*)","server":"([^"]*)"' | paste -d/ - - | sort -u
end

function __relayctl_listeners
    __relayctl_ask status | string match -arg '\{"name":"([^"]*)","addresses"'
end

complete -c relayctl -f
complete -c relayctl -n 'not __relayctl_command' -a '(__relayctl_commands)'
complete -c relayctl -n '__relayctl_is drain down ready weight servers check' -a '(__relayctl_servers)'
complete -c relayctl -n '__relayctl_is top' -a 'servers connections clients events'
complete -c relayctl -n '__relayctl_is lame-duck' -a off
complete -c relayctl -n '__relayctl_is connections tail kill drain-client' -a 'client= tls_client= listener=(__relayctl_listeners) server=(__relayctl_servers)'
complete -c relayctl -n '__relayctl_is connections kill drain-client' -a 'id= age= rate='
complete -c relayctl -n '__relayctl_is tail' -a 'failed=yes of=requests of=all end= status= method= host= path= route='
complete -c relayctl -s s -l socket -r -F -d 'ask at this socket'
complete -c relayctl -l json -d 'print the answer as it came'
complete -c relayctl -l reconnect -d 'tail, events: go on with the next relayd'
complete -c relayctl -s b -l batch -d 'top: print it, without keys'
complete -c relayctl -s n -l rounds -x -d 'top -b: so often'
complete -c relayctl -l wait -d 'drain, down: until the server has no connection'
complete -c relayctl -l timeout -x -d '--wait: at most so long'
complete -c relayctl -l yes -d 'kill, drain-client, block: ask nobody'
complete -c relayctl -l for -x -d 'block: for so long'
complete -c relayctl -l reset -d 'servers: back to what the file says'
complete -c relayctl -s V -l version -d 'print the version'
complete -c relayctl -s h -l help -d 'print a short help'
