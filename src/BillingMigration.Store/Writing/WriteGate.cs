namespace BillingMigration.Store;

/// <summary>Passed right before what commits a unit is sent to a backend.</summary>
internal interface IWriteGate
{
    /// <summary>The longest that one attempt may take: when it is over, its connection is reset.</summary>
    TimeSpan AttemptTime { get; }

    /// <exception cref="NotRoutedException">Writes do not go to this backend, or it is not certain that they do.</exception>
    void Pass();
}

/// <summary>The backend does not accept the unit, or not any more; nothing of it is written.</summary>
internal sealed class NotRoutedException(Exception? inner = null) : Exception("The backend does not accept writes now.", inner);
