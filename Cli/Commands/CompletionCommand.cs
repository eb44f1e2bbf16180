using System.CommandLine;

namespace NativeFfn.Cli.Commands;

/// <summary><c>completion</c>: what a shell sources to complete this command's words.</summary>
internal static class CompletionCommand
{
    // Each asks the command for the words that fit at the cursor, by the directive that System.CommandLine has for it; where there are none,
    // such as at a path, the shell completes files.
    private static readonly Dictionary<string, string> Scripts = new()
    {
        ["bash"] = """
            _nativeffn() {
                local IFS=$'\n'
                COMPREPLY=($(compgen -W "$(nativeffn "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
            }
            complete -o default -F _nativeffn nativeffn
            """,
        ["zsh"] = """
            _nativeffn() {
                local -a fitting
                fitting=("${(@f)$(nativeffn "[suggest:$CURSOR]" "$BUFFER" 2>/dev/null)}")
                if [[ -n ${fitting[1]} ]]; then compadd -- "${fitting[@]}"; else _files; fi
            }
            compdef _nativeffn nativeffn
            """,
        ["fish"] = """
            complete -c nativeffn -a '(
                set -l typed (commandline -cp)
                nativeffn "[suggest:"(string length -- "$typed")"]" "$typed" 2>/dev/null
            )'
            """,
        ["pwsh"] = """
            Register-ArgumentCompleter -Native -CommandName nativeffn -ScriptBlock {
                param($word, $line, $cursor)
                nativeffn "[suggest:$cursor]" "$line" | Where-Object { $_ -like "$word*" } | ForEach-Object {
                    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
                }
            }
            """,
    };

    public static Command Create(Session session)
    {
        string shells = string.Join(", ", Scripts.Keys);
        Argument<string> shell = new("SHELL")
        {
            Description = $"One of {shells}.",
            CustomParser = result =>
            {
                string word = result.Tokens[0].Value;
                if (!Scripts.ContainsKey(word))
                {
                    result.AddError($"SHELL is '{word}', but must be one of {shells}");
                }

                return word;
            },
        };
        shell.CompletionSources.Add([.. Scripts.Keys]);
        var command = new Command("completion", "Print what a shell sources to complete commands, options and their values.") { shell };
        command.SetAction(parsed =>
        {
            session.Terminal.Out.WriteLine(Scripts[parsed.GetValue(shell)!]);
            return ExitCode.Done;
        });
        return command;
    }
}
