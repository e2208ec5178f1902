using System.Reflection;

namespace BillingMigration.Simulation;

/// <summary>
/// How cruel a simulated DynamoDB is. Spans are the most that a random span can be; probabilities are from 0 to 1 and count for each
/// request. Everything is off by default.
/// </summary>
public sealed record SimulationOptions
{
    /// <summary>Nothing goes wrong and nothing takes time.</summary>
    public static SimulationOptions Quiet { get; } = new();

    /// <summary>Everything that AWS and networks can do, often.</summary>
    public static SimulationOptions Cruel { get; } = new()
    {
        Arrival = TimeSpan.FromMilliseconds(40),
        Work = TimeSpan.FromMilliseconds(20),
        Answer = TimeSpan.FromMilliseconds(40),
        TransactionWork = TimeSpan.FromMilliseconds(60),
        IndexDelay = TimeSpan.FromSeconds(5),
        StaleRead = TimeSpan.FromMilliseconds(500),
        TornRead = TimeSpan.FromMilliseconds(30),
        Throttle = 0.01,
        TransactionThrottle = 0.01,
        PartialBatch = 0.02,
        SpuriousConflict = 0.005,
        InternalError = 0.005,
        LoseRequest = 0.01,
        LoseAnswer = 0.01,
        Repeat = 0.01,
        Late = 0.01,
        Hang = 0.003,
        DropCancelled = 0.5,
        LateBy = TimeSpan.FromSeconds(40),
        RepeatAfter = TimeSpan.FromSeconds(20),
    };

    /// <summary>Names of what can be left out: all that takes time or goes wrong.</summary>
    public static IReadOnlyList<string> Troubles { get; } = [.. Properties.Where(p => p.Name is not (nameof(TokenLife) or nameof(LateBy) or nameof(RepeatAfter))).Select(p => p.Name)];

    private static IEnumerable<PropertyInfo> Properties => typeof(SimulationOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanWrite);

    /// <summary>The same, without some of the troubles.</summary>
    /// <exception cref="ArgumentException">One of them is unknown.</exception>
    public SimulationOptions Without(IEnumerable<string> troubles)
    {
        var less = this with { };
        foreach (var trouble in troubles)
        {
            var property = Properties.FirstOrDefault(p => p.Name == trouble && Troubles.Contains(trouble))
                ?? throw new ArgumentException($"There is no trouble '{trouble}'; there are {string.Join(", ", Troubles)}.");
            property.SetValue(less, Activator.CreateInstance(property.PropertyType));
        }

        return less;
    }

    /// <summary>The way of a request to the service.</summary>
    public TimeSpan Arrival { get; init; }

    /// <summary>From the arrival of a request until it is done.</summary>
    public TimeSpan Work { get; init; }

    /// <summary>The way of the answer.</summary>
    public TimeSpan Answer { get; init; }

    /// <summary>From the arrival of a transaction until its commit, during which its items are locked.</summary>
    public TimeSpan TransactionWork { get; init; }

    /// <summary>How far an index may be behind its table.</summary>
    public TimeSpan IndexDelay { get; init; }

    /// <summary>How far an index is behind its table at least.</summary>
    public TimeSpan IndexDelayLeast { get; init; }

    /// <summary>How old a state an eventually consistent read may return.</summary>
    public TimeSpan StaleRead { get; init; }

    /// <summary>How long after a commit a query, a scan or a batch read may see only a part of the transaction; its answer comes later.</summary>
    public TimeSpan TornRead { get; init; }

    /// <summary>A request is refused for its rate.</summary>
    public double Throttle { get; init; }

    /// <summary>A transaction is cancelled with a throttling reason.</summary>
    public double TransactionThrottle { get; init; }

    /// <summary>A batch is done in part only.</summary>
    public double PartialBatch { get; init; }

    /// <summary>A write meets a conflict of which this simulation knows nothing more.</summary>
    public double SpuriousConflict { get; init; }

    /// <summary>Status 500, half of the time although the request was done.</summary>
    public double InternalError { get; init; }

    /// <summary>The connection breaks before the request arrives.</summary>
    public double LoseRequest { get; init; }

    /// <summary>The request is done and the connection breaks before its answer.</summary>
    public double LoseAnswer { get; init; }

    /// <summary>The request arrives a second time within <see cref="RepeatAfter"/>.</summary>
    public double Repeat { get; init; }

    /// <summary>The sender gets a reset or nothing, and the request arrives within <see cref="LateBy"/>.</summary>
    public double Late { get; init; }

    /// <summary>Nothing comes back; half of the time the request is done.</summary>
    public double Hang { get; init; }

    /// <summary>A request whose sender has given up before it arrived does not arrive.</summary>
    public double DropCancelled { get; init; }

    public TimeSpan LateBy { get; init; }

    public TimeSpan RepeatAfter { get; init; }

    /// <summary>How long an answer to an idempotency token is kept.</summary>
    public TimeSpan TokenLife { get; init; } = TimeSpan.FromMinutes(10);
}
