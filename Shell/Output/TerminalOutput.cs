using System.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Orleans.Raft.Shell;

/// <summary>The same lines with colours, and progress bars.</summary>
/// <param name="rawStream">Takes raw bytes, which are not text.</param>
internal sealed class TerminalOutput(IAnsiConsole console, Stream rawStream) : ShellOutput
{
    private static readonly ProgressColumn[] s_columns =
        [new TaskDescriptionColumn(), new ProgressBarColumn(), new SpinnerColumn()];
    private static readonly Style s_good = new(Color.Green);
    private static readonly Style s_muted = new(Color.Grey);
    private static readonly Style s_key = new(Color.Aqua);
    private static readonly Style s_bad = new(Color.Red);

    public override void Raw(ReadOnlySpan<byte> bytes)
    {
        rawStream.Write(bytes);
        rawStream.Flush();
    }

    public override ValueTask FlushAsync() => default;

    public override ValueTask FlushIfFullAsync() => default;

    public override Task WithProgressAsync(string title, Func<IProgressSink, Task> work) =>
        console.Progress().AutoClear(true).Columns(s_columns).StartAsync(context => work(
            new ProgressBar(context.AddTask(Markup.Escape(title), autoStart: true, maxValue: 1))));

    public override Task WithStepsAsync(string title, Func<Action<string>, Task> work) =>
        console.Status().StartAsync(Fit(title), status => work(step => status.Status = Fit(step)));

    protected override void Emit(OutputStyle style, ReadOnlySpan<byte> text) =>
        console.Write(new UnwrappedText(Encoding.UTF8.GetString(text), style switch
        {
            OutputStyle.Good => s_good,
            OutputStyle.Muted => s_muted,
            OutputStyle.Key => s_key,
            OutputStyle.Bad => s_bad,
            _ => Style.Plain,
        }));

    /// <summary>As much of a text as fits beside the spinner, as markup: a line that wraps cannot be
    /// rewritten.</summary>
    private string Fit(string text)
    {
        const int Beside = 4;
        string line = OneLine(text);
        int room = Math.Max(1, console.Profile.Width - Beside);
        if (TextWidth.Of(line) <= room) return Markup.Escape(line);
        int end = 0;
        while (TextWidth.Of(line.AsSpan(0, end + TextWidth.FirstLength(line.AsSpan(end)))) < room)
            end += TextWidth.FirstLength(line.AsSpan(end));
        return Markup.Escape(line[..end]) + "…";
    }

    /// <summary>Leaves wrapping to the terminal: a long value copied from it has no newlines that are not its
    /// own.</summary>
    private sealed class UnwrappedText(string text, Style style) : Renderable
    {
        protected override IEnumerable<Segment> Render(RenderOptions options, int maxWidth) =>
            text == "\n" ? [Segment.LineBreak] : [new Segment(text, style)];
    }

    private sealed class ProgressBar(ProgressTask task) : IProgressSink
    {
        public void Report(double? fraction, string text)
        {
            task.IsIndeterminate = fraction is null;
            if (fraction is { } value) task.Value = value;
            task.Description = Markup.Escape(text);
        }
    }
}
