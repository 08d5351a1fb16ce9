#compdef barewire
# The completions of barewire for zsh. Written by: barewire --completions zsh

_barewire_first() {
    local -a commands=(# COMMANDS)
    local found=1
    # Only the first word is a command.
    (( CURRENT == 2 )) && _describe -t commands command commands && found=0
    _files && found=0
    return found
}

_barewire() {
    local command=serve
    if (( CURRENT > 2 )) && [[ $words[2] == (explain|help|send) ]]; then
        command=$words[2]
        # The options are those of the command that stands first then.
        shift words
        (( CURRENT-- ))
    fi
    case $command in
        serve)
            _arguments -s -S : \
                # serve
                ': :_barewire_first'
            ;;
        explain)
            _arguments -s -S : \
                # explain
                ':file:_files'
            ;;
        send)
            _arguments -s -S : \
                # send
                ':HOST PORT: ' ':file:_files'
            ;;
        help)
            (( CURRENT == 2 )) && compadd explain send
            ;;
    esac
}

# As a file of fpath this is the body of the function; otherwise it is sourced.
if [[ $funcstack[1] == _barewire ]]; then
    _barewire "$@"
else
    compdef _barewire barewire
fi
