namespace BillingMigration.Simulation;

/// <summary>One client process. Create its handlers with it and give its <see cref="Clock"/> to its code, so that it can be killed and frozen.</summary>
public sealed class SimulatedProcess
{
    private readonly VirtualTime time;
    private long heldUntil;

    public SimulatedProcess(VirtualTime time, string name)
    {
        ArgumentNullException.ThrowIfNull(time);
        (this.time, Name) = (time, name);
        Clock = new ProcessClock(time, this);
    }

    public string Name { get; }

    /// <summary>The clock of this process; its timers stop with the process.</summary>
    public ProcessClock Clock { get; }

    public bool IsDead { get; private set; }

    internal TimeSpan HeldFor => TimeSpan.FromTicks(Math.Max(0, heldUntil - time.Now));

    /// <summary>Ends the process: no answer and no timer reaches it any more. What it has sent may still land.</summary>
    public void Kill() => IsDead = true;

    /// <summary>Holds answers and timers for a span, as a pause of the process does. Its clocks go on.</summary>
    public void Freeze(TimeSpan span) => heldUntil = Math.Max(heldUntil, time.Now + span.Ticks);
}
