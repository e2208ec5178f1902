namespace BillingMigration.Store;

/// <summary>Through which everything goes that commits a unit at a backend.</summary>
internal interface IWriteGate
{
    /// <summary>The longest that one attempt may take: when it is over, its connection is reset.</summary>
    TimeSpan AttemptTime { get; }

    /// <summary>Of the route as it is known now: another after each change of it.</summary>
    long Epoch { get; }

    /// <summary>Something begins that may end with a commit.</summary>
    /// <param name="epoch">Under which it was prepared, where it may be sent under no other; null: where it does not matter.</param>
    IGatedWrite Begin(long? epoch = null);

    /// <summary>Asks whether every switch since has waited for what passed here: then what is done counts, whenever it landed. False also where nobody can be asked.</summary>
    /// <param name="epoch">Under which it passed.</param>
    Task<bool> WasWaitedForAsync(long epoch);
}

/// <summary>One attempt, from its beginning until it is disposed of. As long as there is one, nobody is told that writes wait.</summary>
internal interface IGatedWrite : IDisposable
{
    /// <summary>Right before what commits is sent.</summary>
    /// <exception cref="NotRoutedException">Writes do not go to this backend, or it is not certain that they do.</exception>
    void Pass();

    /// <summary>The backend has said what became of it: nothing of it comes later.</summary>
    void Answered();
}

/// <summary>The backend does not accept the unit, or not any more, or was not reached; nothing of it is written.</summary>
/// <param name="inner">Why it was not reached.</param>
internal sealed class NotRoutedException(Exception? inner = null) : Exception("The backend does not accept writes now.", inner);
