using Orleans.Raft.KeyValue;
using Spectre.Console;

namespace Orleans.Raft.Shell;

/// <summary>The command shell over a store, wherever that store lives.</summary>
/// <param name="store">Takes reads and writes; carries the deadline of each.</param>
/// <param name="faults">Null if nodes cannot be broken from here: then <c>kill</c>, <c>start</c>, <c>isolate</c> and
/// <c>heal</c> print an error.</param>
/// <param name="nodes">Null if nodes cannot be started from here: then <c>node add</c> prints an error.</param>
public sealed class ShellSession(IKeyValueStore store, IClusterAdministration administration, IFaultControl? faults,
    INodeControl? nodes, ShellOptions options)
{
    private readonly ShellOptions _options = Validated(options);

    private static bool IsOnTerminal => !Console.IsInputRedirected && !Console.IsOutputRedirected;

    /// <summary>
    /// Serves standard input: with prompt, history and colours if it and standard output are terminals, else line by
    /// line.
    /// </summary>
    /// <returns>The exit code: 0, or 1 if any command failed.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken = default)
    {
        if (IsOnTerminal) return await RunInteractiveAsync(cancellationToken);
        await using Stream input = Console.OpenStandardInput();
        await using Stream output = Console.OpenStandardOutput();
        return await RunAsync(input, output, cancellationToken);
    }

    /// <summary>Runs one command a line until the input ends, flushing each one's results.</summary>
    /// <returns>The exit code: 0, or 1 if any command failed or nobody reads the output.</returns>
    public async Task<int> RunAsync(Stream input, Stream output, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        CommandRunner runner = CreateRunner(new PlainOutput(output));
        var lines = new LineReader(input, _options.LineMaxBytes);
        try
        {
            while (!runner.ExitRequested && !cancellationToken.IsCancellationRequested)
            {
                LineRead line = await lines.ReadAsync(cancellationToken);
                if (line.Kind == LineKind.End) break;
                await runner.RunAsync($"line {lines.LineNumber}", () => Split(line), cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Asked to stop while waiting for a line: what was run is complete.
        }
        catch (OutputFailedException exception)
        {
            await _options.Log.WriteLineAsync(exception.Message);
            return 1;
        }
        return runner.ExitCode;
    }

    /// <summary>Serves a person at the console until <c>exit</c> or Ctrl-D; Ctrl-C stops the running command
    /// only.</summary>
    /// <returns>The exit code: 0, or 1 if any command failed.</returns>
    public async Task<int> RunInteractiveAsync(CancellationToken cancellationToken = default)
    {
        await using Stream raw = Console.OpenStandardOutput();
        ILineSource lines = ConsoleTerminal.CanEdit ? new LineEditor(new ConsoleTerminal()) : new DumbLineSource();
        CommandRunner runner = CreateRunner(new TerminalOutput(AnsiConsole.Console, raw));
        return await new InteractiveLoop(runner, lines, _options).RunAsync(cancellationToken);
    }

    /// <summary>Runs one command given as the program's arguments: each is one word, with the escapes of a bare
    /// word.</summary>
    /// <param name="output">Null: standard output, with colours and progress if it is a terminal.</param>
    /// <returns>The exit code: 0, or 1 if the command failed.</returns>
    public async Task<int> ExecuteAsync(
        IReadOnlyList<string> words, Stream? output = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(words);
        if (words.Count == 0) throw new ArgumentException("No command is given.", nameof(words));
        await using Stream standardOutput = Console.OpenStandardOutput();
        CommandRunner runner = CreateRunner(output is null && IsOnTerminal
            ? new TerminalOutput(AnsiConsole.Console, standardOutput)
            : new PlainOutput(output ?? standardOutput));
        try
        {
            await runner.RunAsync(where: null, () => [.. words.Select(Lexer.FromArgument)], cancellationToken);
        }
        catch (OutputFailedException exception)
        {
            await _options.Log.WriteLineAsync(exception.Message);
            return 1;
        }
        return runner.ExitCode;
    }

    private static ShellOptions Validated(ShellOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.Validate() is { Count: > 0 } problems
            ? throw new ArgumentException(string.Join(" ", problems), nameof(options))
            : options;
    }

    private List<Word> Split(LineRead line) => line.Kind == LineKind.Line
        ? Lexer.Split(line.Bytes.Span)
        : throw new ShellException("LineTooLong",
            $"longer than {_options.LineMaxBytes} bytes; it was skipped, write shorter lines");

    private CommandRunner CreateRunner(ShellOutput output) =>
        new(new ShellContext(store, administration, faults, nodes, _options, output));
}
