using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Internal;

namespace BillingMigration.Host;

/// <summary>
/// Where text and progress meet: on a terminal the progress is one line that stays below the text; in a file it is a plain line now and
/// then, and one for each step that ends.
/// </summary>
internal sealed class ConsoleScreen(TimeProvider time)
{
    private static readonly TimeSpan TerminalInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan FileInterval = TimeSpan.FromSeconds(5);

    private readonly object gate = new();
    private readonly bool terminal = !Console.IsOutputRedirected;
    private readonly bool plainErrors = Console.IsErrorRedirected || NoColor;
    private readonly Dictionary<int, ProgressRecord> steps = [];
    private string shown = "";
    private long lastShown;
    private bool middleOfLine;

    /// <summary>False: escape sequences are taken out of what is written (also by https://no-color.org).</summary>
    public bool Decorated { get; } = !Console.IsOutputRedirected && !NoColor;

    private static bool NoColor => Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 };

    /// <summary>Columns of the terminal; 80 where there is none.</summary>
    public int Width
    {
        get
        {
            try
            {
                return terminal && Console.WindowWidth > 20 ? Console.WindowWidth : 80;
            }
            catch (Exception e) when (e is IOException or PlatformNotSupportedException)
            {
                return 80;
            }
        }
    }

    public void Write(string text)
    {
        lock (gate)
        {
            Hide();
            Console.Out.Write(Decorated ? text : Plain(text));
            middleOfLine = text.Length > 0 && text[^1] != '\n';
        }
    }

    public void WriteLine(string text)
    {
        lock (gate)
        {
            Hide();
            Console.Out.WriteLine(Decorated ? text : Plain(text));
            middleOfLine = false;
            Redraw();
        }
    }

    public void Error(string text)
    {
        lock (gate)
        {
            Hide();
            // A file that takes both streams shows them in order.
            Console.Out.Flush();
            Console.Error.WriteLine(plainErrors ? Plain(text) : text);
            Redraw();
        }
    }

    public void Progress(ProgressRecord record)
    {
        lock (gate)
        {
            if (record.RecordType == ProgressRecordType.Completed)
            {
                steps.Remove(record.ActivityId);
                Hide();
                Completed(record);
                Redraw();
                return;
            }

            steps[record.ActivityId] = record;
            if (lastShown == 0 || time.GetElapsedTime(lastShown) >= (terminal ? TerminalInterval : FileInterval))
            {
                lastShown = time.GetTimestamp();
                Show();
            }
        }
    }

    /// <summary>Forgets steps that never said that they ended.</summary>
    public void EndProgress()
    {
        lock (gate)
        {
            steps.Clear();
            Hide();
        }
    }

    private static string Plain(string text) => new StringDecorated(text).ToString(OutputRendering.PlainText);

    private void Completed(ProgressRecord record)
    {
        // The engine's own commands end with this word alone, which is no news.
        if (!string.IsNullOrWhiteSpace(record.StatusDescription) && record.StatusDescription != "Completed")
        {
            var indent = record.ParentActivityId >= 0 ? "  " : "";
            Console.Out.WriteLine(Fit($"{indent}{record.Activity}: {record.StatusDescription}"));
        }
    }

    private void Show()
    {
        var top = steps.Values.FirstOrDefault(r => r.ParentActivityId < 0 || !steps.ContainsKey(r.ParentActivityId));
        if (top is null)
        {
            return;
        }

        var line = Fit(Describe(top));
        if (!terminal)
        {
            Console.Out.WriteLine(line);
        }
        else if (!middleOfLine)
        {
            Console.Out.Write('\r' + line.PadRight(shown.Length));
            shown = line;
        }
    }

    private static string Describe(ProgressRecord record)
    {
        var percent = record.PercentComplete >= 0 ? string.Create(CultureInfo.InvariantCulture, $" {record.PercentComplete,3}%") : "";
        var left = TimeSpan.FromSeconds(record.SecondsRemaining) switch
        {
            { TotalHours: >= 1 } time => $", {(int)time.TotalHours}h {time.Minutes:00}m left",
            { TotalMinutes: >= 1 } time => $", {time.Minutes}m {time.Seconds:00}s left",
            { TotalSeconds: >= 1 } time => $", {time.Seconds}s left",
            _ => "",
        };
        return $"{record.Activity}:{percent} {record.StatusDescription}{left}";
    }

    /// <summary>One column stays free: a terminal that is filled to the edge breaks the line.</summary>
    private string Fit(string text)
    {
        text = text.ReplaceLineEndings(" ");
        var width = Width - 1;
        return text.Length <= width ? text : text[..(width - 1)] + "…";
    }

    private void Hide()
    {
        if (shown.Length > 0)
        {
            Console.Out.Write('\r' + new string(' ', shown.Length) + '\r');
            shown = "";
        }
    }

    private void Redraw()
    {
        if (terminal && steps.Count > 0)
        {
            Show();
        }
    }
}
