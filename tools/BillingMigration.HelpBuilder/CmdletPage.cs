namespace BillingMigration.HelpBuilder;

/// <summary>One page of docs/cmdlets: level-2 headings are sections, level-3 headings their entries.</summary>
internal sealed class CmdletPage
{
    private static readonly string[] KnownSections = ["Description", "Parameters", "Examples", "Inputs", "Outputs", "Notes", "Links"];

    public required string Name { get; init; }

    public required IReadOnlyList<string> Synopsis { get; init; }

    public Dictionary<string, List<PageEntry>> Sections { get; } = [];

    public IReadOnlyList<PageEntry> Section(string name) => Sections.GetValueOrDefault(name) ?? [];

    public static CmdletPage Read(string path)
    {
        var lines = File.ReadAllLines(path);
        var name = lines.Length > 0 && lines[0].StartsWith("# ", StringComparison.Ordinal)
            ? lines[0][2..].Trim()
            : throw new FormatException($"{path}: the first line must be '# ' and the cmdlet's name.");
        if (name != Path.GetFileNameWithoutExtension(path))
        {
            throw new FormatException($"{path}: the title '{name}' is not the name of the file.");
        }

        var synopsis = new List<string>();
        var page = new CmdletPage { Name = name, Synopsis = synopsis };
        var target = synopsis;
        List<PageEntry>? section = null;
        var code = false;
        foreach (var line in lines.Skip(1))
        {
            code ^= line.StartsWith("```", StringComparison.Ordinal);
            if (!code && line.StartsWith("### ", StringComparison.Ordinal) && section is not null)
            {
                section.Add(new PageEntry(line[4..].Trim(), target = []));
            }
            else if (!code && line.StartsWith("## ", StringComparison.Ordinal))
            {
                var heading = line[3..].Trim();
                if (!KnownSections.Contains(heading))
                {
                    throw new FormatException($"{path}: section '{heading}' is none of {string.Join(", ", KnownSections)}.");
                }

                page.Sections.Add(heading, section = [new PageEntry("", target = [])]);
            }
            else
            {
                target.Add(line);
            }
        }

        return page;
    }
}

/// <param name="Title">Level-3 heading; empty for what stands before the first one.</param>
/// <param name="Lines">Text below it.</param>
internal sealed record PageEntry(string Title, List<string> Lines)
{
    /// <summary>Paragraphs of prose, each as one line; code left out.</summary>
    public IReadOnlyList<string> Paragraphs => Prose(Lines);

    /// <summary>Text inside the code fences.</summary>
    public string Code
    {
        get
        {
            var inside = false;
            var code = new List<string>();
            foreach (var line in Lines)
            {
                if (line.StartsWith("```", StringComparison.Ordinal))
                {
                    inside = !inside;
                }
                else if (inside)
                {
                    code.Add(line);
                }
            }

            return string.Join("\n", code);
        }
    }

    public static IReadOnlyList<string> Prose(IEnumerable<string> lines)
    {
        var paragraphs = new List<string> { "" };
        var inside = false;
        foreach (var line in lines)
        {
            var fence = line.StartsWith("```", StringComparison.Ordinal);
            inside ^= fence;
            if (fence || line.Length == 0)
            {
                paragraphs.Add("");
            }
            else if (!inside)
            {
                paragraphs[^1] = paragraphs[^1].Length == 0 ? line.Trim() : paragraphs[^1] + " " + line.Trim();
            }
        }

        return [.. paragraphs.Where(p => p.Length > 0)];
    }
}
