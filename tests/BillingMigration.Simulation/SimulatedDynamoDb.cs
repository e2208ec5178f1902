namespace BillingMigration.Simulation;

/// <summary>
/// A DynamoDB in the process, under a virtual clock: what it does wrong, and when, follows from one seed. All of it happens on the
/// thread that runs the virtual time.
/// </summary>
public sealed class SimulatedDynamoDb
{
    private readonly VirtualTime time;
    private readonly Database database;
    private readonly Service service;
    private readonly SimulatedNetwork network;

    public SimulatedDynamoDb(VirtualTime time, int seed, SimulationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(time);
        this.time = time;
        var chance = new Chance(seed);
        options ??= SimulationOptions.Quiet;
        database = new Database(time, chance, options);
        service = new Service(database, chance, options, time);
        network = new SimulatedNetwork(service, chance, options, time);
    }

    /// <summary>Who sends: set it before a call, and each commit of that call names it, also one that lands late or twice.</summary>
    public static AsyncLocal<object?> Caller { get; } = new();

    /// <summary>Decides about each request first; without a fault, the options do.</summary>
    public Func<SimulatedRequest, Fault?>? Script
    {
        get => network.Script;
        set => network.Script = value;
    }

    /// <summary>Every write that changes something, in the order of the commits.</summary>
    public event Action<Commit>? Committed
    {
        add => database.Committed += value;
        remove => database.Committed -= value;
    }

    /// <summary>How many requests have arrived, by operation. A request that arrives twice counts twice.</summary>
    public IReadOnlyDictionary<string, long> Requests => service.Requests;

    /// <summary>No request is on its way or at work, and every index has caught up.</summary>
    public bool IsQuiet => network.InFlight == 0 && database.Tables.Values.All(t => t.Indexes.Values.All(i => i.Behind == 0));

    internal SimulatedNetwork Network => network;

    /// <summary>The names of the tables.</summary>
    public IEnumerable<string> TableNames => database.Tables.Keys;

    /// <summary>The present items of a table, in the order of a scan.</summary>
    public IReadOnlyDictionary<ItemKey, Item> Items(string table) =>
        database.Find(table).Entries.Ordered.Where(e => e.Current is not null).ToDictionary(e => e.Key, e => e.Current!);

    /// <summary>What an index holds at present, by the keys of the table's items.</summary>
    public IReadOnlyDictionary<ItemKey, Item> Items(string table, string index) =>
        database.Find(table).Indexes[index].Entries.Ordered.Where(e => e.Current is not null).ToDictionary(e => e.Key, e => e.Current!);

    /// <summary>Lets time pass until nothing is under way any more.</summary>
    public void RunUntilQuiet()
    {
        while (!IsQuiet)
        {
            time.RunFor(TimeSpan.FromSeconds(1));
        }
    }

    /// <summary>All indexes show all that was written so far, as they do after a while. Called on the simulation's thread.</summary>
    internal void CatchUp()
    {
        foreach (var index in database.Tables.Values.SelectMany(t => t.Indexes.Values))
        {
            index.CatchUp(time.Now);
        }
    }

    /// <summary>The transport of one client process. The address and the signature of a request do not matter.</summary>
    public HttpMessageHandler CreateHandler(SimulatedProcess process) => new SimulatedHandler(network, process);
}
