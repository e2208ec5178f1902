using System.Globalization;
using System.Management.Automation.Host;

namespace BillingMigration.Host;

/// <summary>The engine's way to this process: its screen, its culture, its exit code.</summary>
internal sealed class ConsoleHost(ConsoleScreen screen) : PSHost
{
    public ConsoleScreen Screen { get; } = screen;

    /// <summary>What a script's <c>exit</c> asked for.</summary>
    public int? ExitCode { get; private set; }

    public override CultureInfo CurrentCulture => CultureInfo.CurrentCulture;

    public override CultureInfo CurrentUICulture => CultureInfo.CurrentUICulture;

    public override Guid InstanceId { get; } = Guid.NewGuid();

    public override string Name => "BillingMigration.Host";

    public override PSHostUserInterface UI { get; } = new ConsoleUserInterface(screen);

    public override Version Version { get; } = typeof(ConsoleHost).Assembly.GetName().Version!;

    public override void EnterNestedPrompt() => throw new NotSupportedException();

    public override void ExitNestedPrompt() => throw new NotSupportedException();

    public override void NotifyBeginApplication()
    {
    }

    public override void NotifyEndApplication()
    {
    }

    public override void SetShouldExit(int exitCode) => ExitCode = exitCode;
}
