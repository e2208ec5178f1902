using System.Collections.ObjectModel;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Security;

namespace BillingMigration.Host;

/// <summary>Writes; never asks: what would ask a question fails with an error that says so.</summary>
internal sealed class ConsoleUserInterface(ConsoleScreen screen) : PSHostUserInterface
{
    private const string NoQuestions = "This host asks no questions: pass every value as a parameter, and -Confirm:$false where a command wants to be sure.";

    public override PSHostRawUserInterface RawUI { get; } = new ConsoleRawUserInterface(screen);

    public override bool SupportsVirtualTerminal => screen.Decorated;

    public override void Write(string value) => screen.Write(value);

    public override void Write(ConsoleColor foregroundColor, ConsoleColor backgroundColor, string value) => screen.Write(value);

    public override void WriteLine(string value) => screen.WriteLine(value);

    public override void WriteErrorLine(string value) => screen.Error(value);

    public override void WriteWarningLine(string message) => screen.Error("WARNING: " + message);

    public override void WriteVerboseLine(string message) => screen.WriteLine("VERBOSE: " + message);

    public override void WriteDebugLine(string message) => screen.WriteLine("DEBUG: " + message);

    public override void WriteProgress(long sourceId, ProgressRecord record) => screen.Progress(record);

    public override string ReadLine() => throw new HostException(NoQuestions);

    public override SecureString ReadLineAsSecureString() => throw new HostException(NoQuestions);

    public override Dictionary<string, PSObject> Prompt(string caption, string message, Collection<FieldDescription> descriptions) =>
        throw new HostException($"{NoQuestions} Missing: {string.Join(", ", descriptions.Select(d => d.Name))}.");

    public override int PromptForChoice(string caption, string message, Collection<ChoiceDescription> choices, int defaultChoice) =>
        throw new HostException(NoQuestions);

    public override PSCredential PromptForCredential(string caption, string message, string userName, string targetName) =>
        throw new HostException(NoQuestions);

    public override PSCredential PromptForCredential(
        string caption, string message, string userName, string targetName, PSCredentialTypes allowedCredentialTypes, PSCredentialUIOptions options) =>
        throw new HostException(NoQuestions);
}

/// <summary>Only the width matters: the formatter lays its tables out by it.</summary>
internal sealed class ConsoleRawUserInterface(ConsoleScreen screen) : PSHostRawUserInterface
{
    public override ConsoleColor BackgroundColor { get; set; } = ConsoleColor.Black;

    public override ConsoleColor ForegroundColor { get; set; } = ConsoleColor.Gray;

    public override Size BufferSize
    {
        get => new(screen.Width, 50);
        set { }
    }

    public override Coordinates CursorPosition { get; set; }

    public override int CursorSize { get; set; } = 25;

    public override bool KeyAvailable => false;

    public override Size MaxPhysicalWindowSize => BufferSize;

    public override Size MaxWindowSize => BufferSize;

    public override Coordinates WindowPosition { get; set; }

    public override Size WindowSize
    {
        get => BufferSize;
        set { }
    }

    public override string WindowTitle { get; set; } = "";

    public override void FlushInputBuffer()
    {
    }

    public override BufferCell[,] GetBufferContents(Rectangle rectangle) => throw new NotSupportedException();

    public override KeyInfo ReadKey(ReadKeyOptions options) => throw new NotSupportedException();

    public override void ScrollBufferContents(Rectangle source, Coordinates destination, Rectangle clip, BufferCell fill)
    {
    }

    public override void SetBufferContents(Coordinates origin, BufferCell[,] contents)
    {
    }

    public override void SetBufferContents(Rectangle rectangle, BufferCell fill)
    {
    }
}
