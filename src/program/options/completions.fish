# The completions of barewire for fish. Written by: barewire --completions fish

function __barewire_is_first
    test (count (commandline -opc)) = 1
end

# Whether this command is typed; serve is the one without a name.
function __barewire_is
    set -l words (commandline -opc)
    if set -q words[2]; and contains -- $words[2] explain help send
        test $words[2] = $argv[1]
    else
        test $argv[1] = serve
    end
end

complete -c barewire -n '__barewire_is help' -f -a 'explain send'
# After "send" a host is meant and no file.
complete -c barewire -n '__barewire_is send; and test (count (commandline -opc)) = 2' -f
