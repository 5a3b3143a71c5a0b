#include "cmd/top_screen.h"

#define NCURSES_NOMACROS  // its macros would take names like erase from everybody
#include <ncurses.h>
#include <signal.h>

#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <span>

#include "sys/clock.h"

namespace bandfs {
namespace {

constexpr TimeNs kRefreshEvery = kSecond;
constexpr int kFirstRow = 2;  // below the title and the heading
constexpr short kAheadColour = 1, kBehindColour = 2;
constexpr double kNear = 0.03;  // of 1: a share that is off by less is as wanted
constexpr int kEscape = 27;

volatile std::sig_atomic_t interrupted = 0;

void note_interrupt(int) {
    interrupted = 1;
}

/// SIGINT and SIGTERM end the wait for a key, so that the terminal is left as it was.
void heed_interrupts() {
    struct sigaction action {};
    action.sa_handler = note_interrupt;
    action.sa_flags = SA_RESETHAND;  // a mount that does not answer holds up the first, and not the second
    for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

/// The terminal in ncurses' hands.
class Terminal {
public:
    Terminal() : screen_(::newterm(nullptr, stdout, stdin)) {
        if (screen_ == nullptr) return;
        ::cbreak();
        ::noecho();
        ::keypad(stdscr, TRUE);
        ::curs_set(0);
        const char* const no_color = std::getenv("NO_COLOR");
        colour_ = (no_color == nullptr || *no_color == '\0') && ::has_colors();
        if (!colour_) return;
        ::start_color();
        ::use_default_colors();
        ::init_pair(kAheadColour, COLOR_GREEN, -1);
        ::init_pair(kBehindColour, COLOR_YELLOW, -1);
    }
    ~Terminal() {
        if (screen_ == nullptr) return;
        ::endwin();
        ::delscreen(screen_);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    /// Whether it can place text where it is to be.
    bool usable() const {
        if (screen_ == nullptr) return false;
        const char* const place = ::tigetstr("cup");
        return place != nullptr && place != reinterpret_cast<char*>(-1);
    }
    bool colour() const { return colour_; }

private:
    SCREEN* screen_;
    bool colour_ = false;
};

/// What the user has chosen.
struct View {
    TopOrder order = TopOrder::attachment;
    std::string filter;
    bool typing = false;  ///< the filter
    bool paused = false;
    int first = 0;  ///< row that is shown first
};

void draw_line(int line, const std::string& text) {
    ::mvaddnstr(line, 0, text.c_str(), -1);
}

/// "  rows 21-40 of 57"; empty when all are there.
std::string place_text(int first, int shown, int count) {
    if (shown == count) return "";
    return "  rows " + std::to_string(first + 1) + "-" + std::to_string(first + shown) + " of " + std::to_string(count);
}

void draw(const std::vector<TopRow>& all, View& view, bool colour) {
    const auto columns = static_cast<std::size_t>(COLS);
    ::erase();
    const std::vector<TopRow> rows = arranged(all, view.order, view.filter);
    const int count = static_cast<int>(rows.size()), shown = std::clamp(LINES - kFirstRow, 0, count);
    view.first = std::clamp(view.first, 0, count - shown);
    std::string title = "bandfs top  sort: " + std::string(name_of(view.order)) + place_text(view.first, shown, count) +
                        "  (s sort, / filter, p pause, q quit)";
    if (view.paused) title += "  PAUSED";
    if (view.typing || !view.filter.empty()) title = "filter: " + view.filter + (view.typing ? "_" : "  (/ to change)");
    draw_line(0, title.substr(0, columns));
    ::attron(A_REVERSE);
    draw_line(1, heading(columns));
    ::attroff(A_REVERSE);
    int line = kFirstRow;
    for (const TopRow& row : std::span(rows).subspan(static_cast<std::size_t>(view.first))) {
        if (line >= LINES) break;
        const short pair = row.got > row.group.wanted + kNear   ? kAheadColour
                           : row.got < row.group.wanted - kNear ? kBehindColour
                                                                : 0;
        const bool marked = colour && pair != 0 && row.group.held > 0;
        if (marked) ::attron(COLOR_PAIR(pair));
        draw_line(line++, table_line(row, columns));
        if (marked) ::attroff(COLOR_PAIR(pair));
    }
    ::refresh();
}

void type_into_filter(int key, View& view) {
    if (key == '\n' || key == KEY_ENTER) {
        view.typing = false;
    } else if (key == kEscape) {
        view.typing = false;
        view.filter.clear();
    } else if (key == KEY_BACKSPACE || key == 0x7f || key == '\b') {
        if (!view.filter.empty()) view.filter.pop_back();
    } else if (key >= ' ' && key < 256) {
        view.filter += static_cast<char>(key);
    }
}

/// False when the user leaves.
bool act_on(int key, View& view) {
    if (view.typing) {
        type_into_filter(key, view);
        return true;
    }
    if (key == 's') view.order = next(view.order);
    if (key == 'p' || key == ' ') view.paused = !view.paused;
    if (key == '/') view.typing = true;
    const int page = std::max(LINES - kFirstRow, 1);
    if (key == 'j' || key == KEY_DOWN) ++view.first;
    if (key == 'k' || key == KEY_UP) --view.first;
    if (key == KEY_NPAGE) view.first += page;
    if (key == KEY_PPAGE) view.first -= page;
    return key != 'q';
}

}  // namespace

TopEnd show_top(const std::function<bool(TopSample& ret)>& sample) {
    std::setlocale(LC_ALL, "");
    TopSample before, now;
    if (!sample(before)) return TopEnd::over;
    heed_interrupts();
    const Terminal terminal;
    if (!terminal.usable()) return TopEnd::unusable;
    View view;
    std::vector<TopRow> rows;
    TimeNs due = now_ns() + kRefreshEvery;
    while (true) {
        draw(rows, view, terminal.colour());
        ::timeout(static_cast<int>(std::max<TimeNs>(due - now_ns(), 0) / kMillisecond));
        const int key = ::getch();
        if (interrupted != 0) return TopEnd::interrupted;
        if (key != ERR && !act_on(key, view)) return TopEnd::left;
        if (now_ns() < due) continue;
        due = now_ns() + kRefreshEvery;
        if (view.paused) continue;
        now = {};
        if (!sample(now)) return interrupted != 0 ? TopEnd::interrupted : TopEnd::over;
        rows = rows_between(before, now);
        before = std::move(now);
    }
}

}  // namespace bandfs
