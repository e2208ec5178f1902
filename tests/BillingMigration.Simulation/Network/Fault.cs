namespace BillingMigration.Simulation;

public enum FaultKind
{
    None,
    LoseRequest,
    LoseAnswer,
    Late,
    LateInSilence,
    Repeat,
    Conflict,
    Throttle,
    InternalError,
    Hang,
    HangAfterDone,
}

/// <summary>What goes wrong with one request.</summary>
public sealed record Fault(FaultKind Kind, TimeSpan Span = default)
{
    /// <summary>Nothing goes wrong, whatever the options say.</summary>
    public static Fault None { get; } = new(FaultKind.None);

    /// <summary>The connection breaks before the request arrives.</summary>
    public static Fault LoseRequest { get; } = new(FaultKind.LoseRequest);

    /// <summary>The request is done; the connection breaks before its answer.</summary>
    public static Fault LoseAnswer { get; } = new(FaultKind.LoseAnswer);

    /// <summary>The write meets a transaction; of a batch or a transaction, its first item does.</summary>
    public static Fault Conflict { get; } = new(FaultKind.Conflict);

    /// <summary>The request is refused for its rate.</summary>
    public static Fault Throttle { get; } = new(FaultKind.Throttle);

    /// <summary>Status 500, and nothing is done.</summary>
    public static Fault InternalError { get; } = new(FaultKind.InternalError);

    /// <summary>The request never arrives and the connection stays open.</summary>
    public static Fault Hang { get; } = new(FaultKind.Hang);

    /// <summary>The request is done and its answer never comes.</summary>
    public static Fault HangAfterDone { get; } = new(FaultKind.HangAfterDone);

    /// <summary>The connection breaks at once, and the request arrives after a span.</summary>
    public static Fault Late(TimeSpan after) => new(FaultKind.Late, after);

    /// <summary>The connection stays open without an answer, and the request arrives after a span.</summary>
    public static Fault LateInSilence(TimeSpan after) => new(FaultKind.LateInSilence, after);

    /// <summary>The request is done and answered, and arrives again after a span.</summary>
    public static Fault Repeat(TimeSpan after) => new(FaultKind.Repeat, after);
}
