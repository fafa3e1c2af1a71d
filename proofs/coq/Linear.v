(* Linear regions (Definition 9, Theorem 15). Labels are hints and not trusted: region by region, the region that stands
   for its linear region, and a depth; across an edge to a region with the same map the labels are equal, and every region
   is the one that stands for its own or has such a neighbour of smaller depth.
   Theorem linear_regions: if `linear` gives n, there are n activation regions such that every activation region is
   connected to exactly one of them: so n is the number of linear regions. *)
From Coq Require Import Reals Lra Psatz ZArith List Bool Lia Permutation FMapPositive Relations.
From Exactcam Require Import Lists Plane Polygon Tiling Network Regions Evaluate Checker Sound Outputs Maps Edges.
Import ListNotations.

(* ---------- what is meant *)
Open Scope R_scope.
Definition share (q : question) (z z' : pat) : Prop :=
  exists p p', p <> p' /\ forall t, 0 <= t <= 1 -> region q z (at_ t p p') /\ region q z' (at_ t p p').
Definition linked (q : question) (out : nat) (z z' : pat) : Prop :=
  has_interior q z /\ has_interior q z' /\ share q z z' /\ exists G, is_map q out z G /\ is_map q out z' G.
Definition connected (q : question) (out : nat) : pat -> pat -> Prop := clos_refl_sym_trans pat (linked q out).

(* ---------- the check: edges with what is known of the region on their left, sorted; on the way, that they cancel *)
Open Scope positive_scope.
Record reg := Reg { own : positive; label : positive; depth : positive; rmap : list Z }.
Record tedge := T { lo : positive; hi : positive; up : bool; tag : option reg }.     (* no region: along the window, reversed *)
Definition tagged (r : option reg) (e : edge) : tedge :=
  if Pos.ltb (fst e) (snd e) then T (fst e) (snd e) true r else T (snd e) (fst e) false r.
Fixpoint number (n : positive) (ms : list (list Z)) (hints : list (positive * positive)) (acc : list reg) : option (list reg) :=
  match ms, hints with
  | [], [] => Some (rev_append acc [])
  | m :: ms', (l, d) :: hints' => number (Pos.succ n) ms' hints' (Reg n l d m :: acc)
  | _, _ => None
  end.
Fixpoint tag_all (R : list (list (list named))) (rs : list reg) (acc : list tedge) : list tedge :=
  match R, rs with
  | U :: R', r :: rs' => tag_all R' rs' (fold_left (fun acc k => rev_map (tagged (Some r)) (edges (map fst k)) acc) U acc)
  | _, _ => acc
  end.
Definition tlt (e f : tedge) : bool :=
  match Pos.compare (lo e) (lo f) with Lt => true | Gt => false
  | Eq => match Pos.compare (hi e) (hi f) with Lt => true | Gt => false | Eq => negb (up e) && up f end end.
Definition joined (e f : tedge) : option (reg * reg) :=   (* one edge, seen from two regions with one map *)
  match tag e, tag f with
  | Some r, Some s => if Pos.eqb (lo e) (lo f) && Pos.eqb (hi e) (hi f) && leq (rmap r) (rmap s) then Some (r, s) else None
  | _, _ => None
  end.
Definition mark (r s : reg) (marks : list positive) : list positive :=
  match Pos.compare (depth r) (depth s) with Lt => own s :: marks | Gt => own r :: marks | Eq => marks end.
Fixpoint scan (e : tedge) (l : list tedge) (marks : list positive) : option (list positive) :=
  match l with
  | [] => Some marks
  | f :: t => if tlt e f then
                match joined e f with
                | Some (r, s) => if Pos.eqb (label r) (label s) then scan f t (mark r s marks) else None
                | None => scan f t marks
                end
              else None
  end.
(* every edge is followed by its reverse *)
Fixpoint paired (l : list tedge) : bool :=
  match l with
  | [] => true
  | e :: t => match t with f :: t' => Pos.eqb (lo e) (lo f) && Pos.eqb (hi e) (hi f) && negb (up e) && up f && paired t' | [] => false end
  end.
Definition among (marks : list positive) : positive -> bool :=
  let m := fold_left (fun m i => PositiveMap.add i tt m) marks (PositiveMap.empty unit) in
  fun i => match PositiveMap.find i m with Some _ => true | None => false end.
Definition is_root (r : reg) : bool := Pos.eqb (label r) (own r).
Fixpoint tally {X} (f : X -> bool) (l : list X) (n : nat) : nat :=
  match l with [] => n | x :: t => tally f t (if f x then S n else n) end.
Definition linear (R : list (list (list named))) (along : list edge) (ms : list (list Z)) (hints : list (positive * positive)) : option nat :=
  match number 1 ms hints [] with
  | None => None
  | Some rs => match msort (fun e f => negb (tlt f e)) (tag_all R rs (rev_map (tagged None) along [])) with
               | [] => None
               | e :: l => match scan e l [] with
                           | None => None
                           | Some marks => let m := among marks in
                               if paired (e :: l) && forallb (fun r => is_root r || m (own r)) rs then Some (tally is_root rs 0) else None
                           end
               end
  end.

(* ---------- sorted edges: the two sides of an edge are next to each other *)
Lemma tlt_spec e f : tlt e f = true <-> lo e < lo f \/ lo e = lo f /\ (hi e < hi f \/ hi e = hi f /\ up e = false /\ up f = true).
Proof.
  unfold tlt. destruct (Pos.compare_spec (lo e) (lo f)), (Pos.compare_spec (hi e) (hi f)), (up e), (up f); cbn [negb andb];
    (split; [intros X; try discriminate | intros X; try reflexivity; exfalso]); try (intuition (lia || congruence)).
Qed.
Lemma tlt_trans e f g : tlt e f = true -> tlt f g = true -> tlt e g = true.
Proof. rewrite !tlt_spec. intros A B. destruct (up f); intuition (try lia; try congruence). Qed.
Definition twins (e f : tedge) (r s : reg) :=
  lo e = lo f /\ hi e = hi f /\ up e = false /\ up f = true /\ tag e = Some r /\ tag f = Some s /\ rmap r = rmap s.
Lemma leq_refl l : leq l l = true.
Proof. induction l as [|x l IH]; [reflexivity|]. cbn [leq]. rewrite Z.eqb_refl. exact IH. Qed.
Lemma joined_twins e f r s : tlt e f = true -> (joined e f = Some (r, s) <-> twins e f r s).
Proof.
  rewrite tlt_spec. unfold joined, twins. intros H. split.
  - destruct (tag e) as [r'|]; [|discriminate]. destruct (tag f) as [s'|]; [|discriminate].
    destruct (_ && leq (rmap r') (rmap s')) eqn:E; [|discriminate]. intros X. injection X as -> ->.
    rewrite !andb_true_iff, !Pos.eqb_eq in E. destruct E as ((A & B) & C). apply leq_ok in C.
    intuition (try lia; try congruence).
  - intros (A & B & _ & _ & -> & -> & C). rewrite A, B, C, !Pos.eqb_refl, leq_refl. reflexivity.
Qed.
Lemma scan_next e f l marks m : scan e (f :: l) marks = Some m -> tlt e f = true /\ exists marks', scan f l marks' = Some m.
Proof.
  cbn [scan]. destruct (tlt e f); [|discriminate]. intros H. split; [reflexivity|].
  destruct (joined e f) as [[r s]|]; [destruct (Pos.eqb _ _); [|discriminate]|]; eauto.
Qed.
Lemma scan_head l : forall e marks m, scan e l marks = Some m -> forall f, In f l -> tlt e f = true.
Proof.
  induction l as [|g l IH]; intros e marks m H f I; [destruct I|]. apply scan_next in H. destruct H as (L & marks' & H).
  destruct I as [<-|I]; [exact L|]. apply (tlt_trans e g f L). eapply IH; eauto.
Qed.
Lemma scan_labels l : forall e marks m, scan e l marks = Some m ->
  forall f g r s, In f (e :: l) -> In g (e :: l) -> twins f g r s -> label r = label s.
Proof.
  induction l as [|h l IH]; intros e marks m H f g r s If Ig Tw.
  - destruct If as [<-|[]], Ig as [<-|[]]. destruct Tw as (_ & _ & U1 & U2 & _). congruence.
  - pose proof (scan_head _ _ _ _ H) as Hd. pose proof (scan_next _ _ _ _ _ H) as (L & marks' & S').
    destruct If as [<-|If]; [|destruct Ig as [<-|Ig]; [|apply (IH h marks' m S' f g); assumption]].
    + destruct Ig as [<-|[<-|Ig]]; [destruct Tw as (_ & _ & U1 & U2 & _); congruence | |].
      * apply (joined_twins _ _ _ _ L) in Tw. cbn [scan] in H. rewrite L, Tw in H. destruct (Pos.eqb_spec (label r) (label s)); [assumption | discriminate].
      * exfalso. pose proof (scan_head _ _ _ _ S' g Ig) as M. apply tlt_spec in L, M. destruct Tw as (E1 & E2 & U1 & U2 & _).
        rewrite E1, E2 in L. destruct (up h); intuition (try lia; try congruence).
    + exfalso. specialize (Hd f If). apply tlt_spec in Hd. destruct Tw as (E1 & E2 & U1 & U2 & _). rewrite E1, E2 in Hd. intuition (try lia; try congruence).
Qed.
Definition lower (l : list tedge) (n : positive) := exists f g r s, In f l /\ In g l /\ (twins f g r s \/ twins g f s r) /\
  own r = n /\ depth s < depth r /\ label r = label s.
Lemma scan_marks l : forall e marks m, scan e l marks = Some m -> forall n, In n m -> In n marks \/ lower (e :: l) n.
Proof.
  induction l as [|h l IH]; intros e marks m H n I; cbn [scan] in H; [injection H as <-; auto|].
  destruct (tlt e h) eqn:L; [|discriminate].
  assert (W : lower (h :: l) n -> lower (e :: h :: l) n).
  { intros (f & g & r & s & A & B & C). exists f, g, r, s. simpl in *. tauto. }
  destruct (joined e h) as [[r s]|] eqn:J; [|destruct (IH _ _ _ H n I) as [X|X]; auto].
  destruct (Pos.eqb_spec (label r) (label s)) as [El|]; [|discriminate]. apply (joined_twins _ _ _ _ L) in J.
  destruct (IH _ _ _ H n I) as [X|X]; [|auto]. unfold mark in X.
  destruct (Pos.compare_spec (depth r) (depth s)) as [D|D|D]; [auto | |].
  - destruct X as [<-|X]; [|auto]. right. exists h, e, s, r. simpl. auto 10.
  - destruct X as [<-|X]; [|auto]. right. exists e, h, r, s. simpl. auto 10.
Qed.
Definition edge_of (e : tedge) : edge := if up e then (lo e, hi e) else (hi e, lo e).
Lemma edge_of_tagged r e : edge_of (tagged r e) = e.
Proof. destruct e as [a b]. unfold tagged. cbn [fst snd]. destruct (Pos.ltb a b); reflexivity. Qed.
Lemma paired_ok : forall n l, (length l <= n)%nat -> paired l = true -> Permutation (map edge_of l) (map swap (map edge_of l)).
Proof.
  induction n as [|n IH]; intros [|e [|f l]] Ln H; simpl in Ln; try lia; try discriminate; [constructor | constructor|].
  cbn [paired] in H. rewrite !andb_true_iff, !Pos.eqb_eq, negb_true_iff in H. destruct H as ((((A & B) & C) & D) & H).
  cbn [map]. assert (E1 : swap (edge_of e) = edge_of f) by (unfold edge_of, swap; rewrite A, B, C, D; reflexivity).
  assert (E2 : swap (edge_of f) = edge_of e) by (rewrite <- E1; destruct (edge_of e); reflexivity).
  rewrite E1, E2. etransitivity; [apply perm_swap|]. do 2 constructor. apply IH; [lia | exact H].
Qed.
Lemma among_ok marks i : among marks i = true -> In i marks.
Proof.
  unfold among. intros H. assert (X : forall l m, match PositiveMap.find i (fold_left (fun m i => PositiveMap.add i tt m) l m) with Some _ => true | None => false end = true ->
    In i l \/ PositiveMap.find i m <> None).
  { clear. induction l as [|j l IH]; intros m H; cbn [fold_left] in H; [right; destruct (PositiveMap.find i m); discriminate|].
    apply IH in H. destruct H as [H|H]; [left; right; exact H|]. destruct (Pos.eq_dec i j) as [->|N]; [left; left; reflexivity|].
    right. rewrite PositiveMap.gso in H by exact N. exact H. }
  destruct (X _ _ H) as [Y|Y]; [exact Y|]. rewrite PositiveMap.gempty in Y. congruence.
Qed.
Lemma number_ok ms : forall n hints acc rs, number n ms hints acc = Some rs ->
  exists rs', rs = rev acc ++ rs' /\ map rmap rs' = ms /\ forall k r, nth_error rs' k = Some r -> own r = Pos.of_nat (Pos.to_nat n + k).
Proof.
  induction ms as [|m ms IH]; intros n [|[l d] hints] acc rs H; cbn [number] in H; try discriminate.
  - injection H as <-. exists []. rewrite rev_append_rev, !app_nil_r. repeat split. intros [|k]; discriminate.
  - apply IH in H. destruct H as (rs' & -> & M & O). exists (Reg n l d m :: rs'). cbn [rev map]. rewrite <- app_assoc, M. repeat split.
    intros [|k] r E; cbn [nth_error] in E.
    + injection E as <-. cbn [own]. rewrite Nat.add_0_r. symmetry. apply Pos2Nat.id.
    + rewrite (O k r E). f_equal. lia.
Qed.
Lemma tag_all_in R : forall rs acc e, In e (tag_all R rs acc) <-> In e acc \/
  exists i U r k x, nth_error R i = Some U /\ nth_error rs i = Some r /\ In k U /\ In x (edges (map fst k)) /\ e = tagged (Some r) x.
Proof.
  induction R as [|U R IH]; intros [|r rs] acc e; cbn [tag_all].
  - split; [auto|]. intros [H|(i & U & s & k & x & A & _)]; [exact H | destruct i; discriminate].
  - split; [auto|]. intros [H|(i & U & s & k & x & A & _)]; [exact H | destruct i; discriminate].
  - split; [auto|]. intros [H|(i & U' & s & k & x & _ & B & _)]; [exact H | destruct i; discriminate].
  - rewrite IH. assert (X : forall (V' : list (list named)) acc, In e (fold_left (fun acc k => rev_map (tagged (Some r)) (edges (map fst k)) acc) V' acc) <->
       In e acc \/ exists k x, In k V' /\ In x (edges (map fst k)) /\ e = tagged (Some r) x).
    { clear. induction V' as [|k V' IH]; intros acc; cbn [fold_left].
      - split; [auto|]. intros [H|(k & x & [] & _)]. exact H.
      - rewrite IH, rev_map_ok, in_app_iff, <- in_rev, in_map_iff. split.
        + intros [[(x & <- & I)|I]|(k' & x & A & B)]; [right; exists k, x; simpl; auto | auto | right; exists k', x; simpl; tauto].
        + intros [I|(k' & x & [<-|A] & B & C)]; [auto | left; left; exists x; auto | right; exists k', x; auto]. }
    rewrite X. split.
    + intros [[I|(k & x & A & B & C)]|(i & U' & s & k & x & A)]; [auto | right; exists 0%nat, U, r, k, x; auto 10 | right; exists (S i), U', s, k, x; exact A].
    + intros [I|(i & U' & s & k & x & A & B & C)]; [auto|]. destruct i as [|i]; cbn [nth_error] in A, B.
      * injection A as <-. injection B as <-. left; right. exists k, x. exact C.
      * right. exists i, U', s, k, x. auto.
Qed.
Lemma tag_all_edges R : forall rs acc, length rs = length R ->
  map edge_of (tag_all R rs acc) = all_edges (map (map (map fst)) R) (map edge_of acc).
Proof.
  induction R as [|U R IH]; intros [|r rs] acc L; simpl in L; try discriminate; [reflexivity|]. cbn [tag_all map all_edges].
  rewrite IH by lia. f_equal. clear. revert acc. induction U as [|k U IH]; intros acc; [reflexivity|]. cbn [map fold_left]. rewrite IH. f_equal.
  rewrite rev_map_ok, map_app, map_rev, map_map, rev_append_rev. do 2 f_equal. rewrite <- map_id. apply map_ext. intros e. apply edge_of_tagged.
Qed.
Lemma tally_ok {X} (f : X -> bool) l : forall n, tally f l n = (n + length (filter f l))%nat.
Proof. induction l as [|x l IH]; intros n; cbn [tally filter]; [simpl; lia|]. rewrite IH. destruct (f x); simpl; lia. Qed.

(* ---------- a labelled forest counts components *)
Section forest.
Variable T : Type.
Variable link : T -> T -> Prop.
Variable items : list (T * reg).
Hypothesis ND : NoDup (map fst items).
Hypothesis inside1 : forall z z', link z z' -> In z (map fst items) /\ In z' (map fst items).
Hypothesis H1 : forall z r z' r', In (z, r) items -> In (z', r') items -> link z z' -> label r = label r'.
Hypothesis H2 : forall z r, In (z, r) items -> label r = own r \/
  exists z' r', In (z', r') items /\ clos_refl_sym_trans T link z z' /\ depth r' < depth r /\ label r = label r'.
Hypothesis H3 : forall z r z' r', In (z, r) items -> In (z', r') items -> own r = own r' -> z = z'.
Notation conn := (clos_refl_sym_trans T link).
Lemma items_fun z r r' : In (z, r) items -> In (z, r') items -> r = r'.
Proof.
  clear - ND. induction items as [|[y s] l IH]; [intros []|]. cbn [map fst] in ND. inversion ND as [|? ? N1 N2]; subst.
  intros [E|I] [E'|I']; [congruence | | |apply IH; assumption].
  - injection E as -> ->. exfalso. apply N1. apply in_map_iff. exists (z, r'). auto.
  - injection E' as -> ->. exfalso. apply N1. apply in_map_iff. exists (z, r). auto.
Qed.
Lemma conn_in z z' : conn z z' -> z = z' \/ In z (map fst items) /\ In z' (map fst items).
Proof.
  induction 1 as [x y L|x|x y _ IH|x y w _ I1 _ I2]; [right; apply inside1, L | auto | intuition auto | intuition (subst; auto)].
Qed.
Lemma conn_label z z' : conn z z' -> forall r r', In (z, r) items -> In (z', r') items -> label r = label r'.
Proof.
  induction 1 as [x y L|x|x y _ IH|x y w C1 I1 C2 I2]; intros r r' A B.
  - apply (H1 x r y r'); assumption.
  - f_equal. apply (items_fun x); assumption.
  - symmetry. apply IH; assumption.
  - apply conn_in in C1. destruct C1 as [->|[_ I]]; [apply I2; assumption|]. apply in_map_iff in I. destruct I as ([y' s] & E & I). cbn [fst] in E. subst y'.
    rewrite (I1 r s A I). apply I2; assumption.
Qed.
Definition roots : list T := map fst (filter (fun x => is_root (snd x)) items).
Lemma root_in z : In z roots <-> exists r, In (z, r) items /\ label r = own r.
Proof.
  unfold roots. rewrite in_map_iff. split.
  - intros ([y r] & <- & I). apply filter_In in I. destruct I as [I E]. exists r. split; [exact I|]. apply Pos.eqb_eq, E.
  - intros (r & I & E). exists (z, r). split; [reflexivity|]. apply filter_In. split; [exact I|]. apply Pos.eqb_eq, E.
Qed.
Lemma to_root : forall n z r, (Pos.to_nat (depth r) <= n)%nat -> In (z, r) items -> exists z', In z' roots /\ conn z z'.
Proof.
  induction n as [|n IH]; intros z r L I; [lia|]. destruct (H2 z r I) as [E|(z' & r' & I' & C & D & _)].
  - exists z. split; [apply root_in; exists r; auto | apply rst_refl].
  - destruct (IH z' r') as (y & Y & Cy); [lia | exact I'|]. exists y. split; [exact Y | apply rst_trans with z'; assumption].
Qed.
Theorem forest : NoDup roots /\ (forall z, In z roots -> In z (map fst items)) /\
  forall z, In z (map fst items) -> exists y, In y roots /\ conn z y /\ forall y', In y' roots -> conn z y' -> y' = y.
Proof.
  split; [|split].
  - unfold roots. clear - ND. induction items as [|[y s] l IH]; cbn [filter map]; [constructor|]. inversion ND as [|? ? N1 N2]; subst. cbn [snd].
    destruct (is_root s); [|apply IH; assumption]. cbn [map fst]. constructor; [|apply IH; assumption].
    intros I. apply N1. apply in_map_iff in I. destruct I as (x & <- & I). apply filter_In in I. apply in_map, I.
  - intros z I. apply root_in in I. destruct I as (r & I & _). apply in_map_iff. exists (z, r). auto.
  - intros z I. apply in_map_iff in I. destruct I as ([z0 r] & E & I). cbn [fst] in E. subst z0.
    destruct (to_root _ z r (le_n _) I) as (y & Y & C). exists y. split; [exact Y|]. split; [exact C|]. intros y' Y' C'.
    apply root_in in Y, Y'. destruct Y as (s & Is & Es), Y' as (s' & Is' & Es').
    apply (H3 y' s' y s Is' Is). rewrite <- Es, <- Es', <- (conn_label z y C r s I Is), <- (conn_label z y' C' r s' I Is'). reflexivity.
Qed.
End forest.

(* ---------- a segment has a point that is none of finitely many *)
Open Scope R_scope.
Lemma off_points cs : forall p p' l h, p <> p' -> l < h -> exists l' h', l <= l' /\ l' < h' /\ h' <= h /\ forall t, l' < t < h' -> ~ In (at_ t p p') cs.
Proof.
  induction cs as [|c cs IH]; intros p p' l h N L; [exists l, h; repeat split; try lra; intros t _ []|].
  destruct (IH p p' l h N L) as (l' & h' & A & B & C & D).
  assert (X : exists t0, forall t, at_ t p p' = c -> t = t0).
  { destruct p as [p1 p2], p' as [r1 r2], c as [c1 c2]. destruct (Req_dec p1 r1) as [E|E].
    - exists ((c2 - p2) / (r2 - p2)). intros t H. unfold at_ in H; simpl in H. injection H as _ H. rewrite <- H. field.
      intros Z. apply N. f_equal; lra.
    - exists ((c1 - p1) / (r1 - p1)). intros t H. unfold at_ in H; simpl in H. injection H as H _. rewrite <- H. field. lra. }
  destruct X as (t0 & X). destruct (Rle_lt_dec h' t0) as [U|U]; [|destruct (Rle_lt_dec t0 l') as [U'|U']].
  - exists l', h'. repeat split; auto. intros t T0 [E|I]; [apply eq_sym, X in E; lra | apply (D t); auto].
  - exists l', h'. repeat split; auto. intros t T0 [E|I]; [apply eq_sym, X in E; lra | apply (D t); auto].
  - exists t0, h'. repeat split; try lra. intros t T0 [E|I]; [apply eq_sym, X in E; lra | apply (D t); [lra | exact I]].
Qed.
Lemma concat_index {X} (R : list (list X)) : forall i j U U' k l, nth_error R i = Some U -> nth_error R j = Some U' -> i <> j -> In k U -> In l U' ->
  exists i' j', i' <> j' /\ nth_error (concat R) i' = Some k /\ nth_error (concat R) j' = Some l.
Proof.
  assert (One : forall (R : list (list X)) i U k, nth_error R i = Some U -> In k U -> exists n, nth_error (concat R) n = Some k).
  { intros R0 i U k H I. apply In_nth_error. apply in_concat. exists U. split; [eapply nth_error_In, H | exact I]. }
  assert (Near : forall (R : list (list X)) V' j U' k l, In k V' -> nth_error R j = Some U' -> In l U' ->
    exists i' j', i' <> j' /\ nth_error (V' ++ concat R) i' = Some k /\ nth_error (V' ++ concat R) j' = Some l).
  { intros R0 V' j U' k l Ik H Il. apply In_nth_error in Ik. destruct Ik as (n & Hn). destruct (One R0 j U' l H Il) as (m & Hm).
    assert (n < length V')%nat by (apply nth_error_Some; congruence).
    exists n, (length V' + m)%nat. split; [lia|]. rewrite nth_error_app1 by assumption. rewrite nth_error_app2 by lia.
    replace (length V' + m - length V')%nat with m by lia. auto. }
  induction R as [|V' R IH]; intros i j U U' k l A B N Ik Il; [destruct i; discriminate|].
  destruct i as [|i], j as [|j]; cbn [nth_error] in A, B; cbn [concat]; [congruence | injection A as -> | injection B as -> |].
  - apply (Near R U j U'); assumption.
  - destruct (Near R U' i U l k Il A Ik) as (x & y & Q0 & Q1 & Q2). exists y, x. auto.
  - destruct (IH i j U U' k l A B) as (x & y & Q0 & Q1 & Q2); auto. exists (length V' + x)%nat, (length V' + y)%nat. split; [lia|].
    rewrite !nth_error_app2 by lia. replace (length V' + x - length V')%nat with x by lia. replace (length V' + y - length V')%nat with y by lia. auto.
Qed.

Section balance.
Variables (q : question) (a : answer) (out : nat) (R : list (list (list named))).
Hypothesis R_is : Forall2 (Forall2 (Forall2 (fun i x => fst x = i /\ known q a out x))) (regions a) R.
Lemma linear_balanced ms hints n : length ms = length R -> linear R (window_edges a) ms hints = Some n -> balanced a.
Proof.
  unfold linear. intros Lm H. destruct (number 1 ms hints []) as [rs|] eqn:Hn; [|discriminate].
  apply number_ok in Hn. destruct Hn as (rs' & E0 & Mrs & _). simpl in E0. subst rs'.
  set (L := tag_all R rs _) in *. pose proof (msort_perm (fun e f => negb (tlt f e)) L) as PL.
  destruct (msort _ L) as [|e l]; [discriminate|]. destruct (scan e l []); [|discriminate]. cbn zeta in H.
  destruct (paired (e :: l)) eqn:Pr; [|discriminate]. apply (paired_ok _ _ (le_n _)) in Pr.
  assert (E : map edge_of L = all_edges (regions a) (rev (window_edges a))).
  { unfold L. rewrite tag_all_edges by (rewrite <- Lm, <- Mrs, map_length; reflexivity). rewrite (R_names q a out R R_is). f_equal.
    rewrite rev_map_ok, app_nil_r, map_rev, map_map. f_equal. rewrite <- (map_id (window_edges a)) at 2. apply map_ext. intros x. apply edge_of_tagged. }
  apply (Permutation_map edge_of) in PL. rewrite E in PL.
  assert (P1 : Permutation (all_edges (regions a) (window_edges a)) (map edge_of (e :: l))).
  { etransitivity; [|exact PL]. etransitivity; [symmetry; apply all_edges_perm|]. etransitivity; [|apply all_edges_perm].
    apply Permutation_app_head, Permutation_rev. }
  unfold balanced. cbn zeta. etransitivity; [exact P1|]. etransitivity; [exact Pr|]. apply Permutation_map. symmetry. exact P1.
Qed.
End balance.

Section linear.
Variables (q : question) (a : answer) (out : nat).
Hypothesis ok : checked q a.
Variable R : list (list (list named)).
Hypothesis R_is : Forall2 (Forall2 (Forall2 (fun i x => fst x = i /\ known q a out x))) (regions a) R.
Variable zs : list pat.
Hypothesis zs_once : NoDup zs.
Hypothesis zs_in : forall z, In z zs <-> has_interior q z.
Hypothesis zs_regions : Forall2 (fun z U => forall p, union U p <-> region q z p) zs (pieces a).
Variable ms : list (list Z).
Hypothesis ms_are : Forall2 (fun U m => region_map U = Some m) R ms.

Notation fits := (fits q R zs).
Lemma fits_nth i : forall z U m, nth_error zs i = Some z -> nth_error R i = Some U -> nth_error ms i = Some m -> fits z U m.
Proof.
  pose proof (fits_all q a out ok R R_is zs zs_regions ms ms_are) as F. intros z U m A B C.
  assert (D : nth_error (combine R ms) i = Some (U, m)).
  { clear - B C. revert i ms B C. induction R as [|U0 R' IH]; intros [|i] [|m0 m'] B C; cbn [nth_error combine] in *; try discriminate; [congruence | apply IH; assumption]. }
  revert A D. generalize (combine R ms) F. generalize zs at 2 3. clear. intros l l' F. revert i.
  induction F as [|x [y y'] l l' H _ IH]; intros [|i] A D; cbn [nth_error] in A, D; try discriminate; [|eapply IH; eauto].
  injection A as ->. injection D as -> ->. exact H.
Qed.
Lemma piece_name i U k : nth_error R i = Some U -> In k U -> nth_error (regions a) i = Some (map (map fst) U) /\ In (map fst k) (map (map fst) U).
Proof.
  intros H I. split; [|apply in_map, I]. rewrite <- (R_names q a out R R_is). exact (map_nth_error (map (map fst)) i R H).
Qed.
Lemma piece_points i U k : nth_error R i = Some U -> In k U -> points k = shape_of a (map fst k).
Proof.
  intros H I. unfold shape_of. apply (points_corner q a out ok). intros x J. apply (R_known q a out ok R R_is U k); [eapply nth_error_In, H | exact I | exact J].
Qed.
(* regions on the two sides of an edge share it *)
Lemma edge_shared i j U U' z z' m m' k l u v : nth_error R i = Some U -> nth_error R j = Some U' -> fits z U m -> fits z' U' m' ->
  In k U -> In l U' -> In (u, v) (edges (map fst k)) -> In (v, u) (edges (map fst l)) -> share q z z'.
Proof.
  intros A B Fz Fz' Ik Il E1 E2. exists (corner a u), (corner a v).
  pose proof (piece_points i U k A Ik) as Pk. pose proof (piece_points j U' l B Il) as Pl.
  assert (Ck : conv (points k)) by (apply (R_conv q a out ok R R_is); apply in_concat; exists U; split; [eapply nth_error_In, A | exact Ik]).
  assert (Cl : conv (points l)) by (apply (R_conv q a out ok R R_is); apply in_concat; exists U'; split; [eapply nth_error_In, B | exact Il]).
  rewrite Pk in Ck. rewrite Pl in Cl. pose proof (shape_edge a _ u v E1) as S1. pose proof (shape_edge a _ v u E2) as S2.
  split; [apply (edge_ne _ _ _ Ck S1)|]. intros t Ht.
  assert (G : forall w, conv w -> In (corner a u) w -> In (corner a v) w -> inP w (at_ t (corner a u) (corner a v))).
  { intros w Cw Iu Iv e Ie. rewrite <- ev_line, ev_at, !ev_line. pose proof (corner_in w _ Cw Iu e Ie). pose proof (corner_in w _ Cw Iv e Ie).
    assert (0 <= (1 - t) * orient (fst e) (snd e) (corner a u)) by (apply Rmult_le_pos; lra).
    assert (0 <= t * orient (fst e) (snd e) (corner a v)) by (apply Rmult_le_pos; lra). lra. }
  destruct Fz as (_ & _ & _ & _ & Un), Fz' as (_ & _ & _ & _ & Un'). split.
  - apply Un. exists k. split; [exact Ik|]. rewrite Pk. apply edge_in in S1. apply G; [exact Ck | apply S1 | apply S1].
  - apply Un'. exists l. split; [exact Il|]. rewrite Pl. apply edge_in in S2. apply G; [exact Cl | apply S2 | apply S2].
Qed.
(* regions that share a segment are on the two sides of an edge *)
Lemma shared_edge i j U U' z z' m m' : nth_error R i = Some U -> nth_error R j = Some U' -> i <> j -> fits z U m -> fits z' U' m' -> share q z z' ->
  exists k l u v, In k U /\ In l U' /\ In (u, v) (edges (map fst k)) /\ In (v, u) (edges (map fst l)) /\ u <> v.
Proof.
  intros A B N Fz Fz' (p & p' & Np & Seg).
  destruct (off_points (flat_map points U) p p' 0 1 Np) as (l0 & h0 & L1 & L2 & L3 & L4); [lra|].
  set (x := at_ ((l0 + h0) / 2) p p'). destruct (Seg ((l0 + h0) / 2)) as [X1 X2]; [lra|]. fold x in X1, X2.
  assert (Off : ~ In x (flat_map points U)) by (apply L4; lra).
  destruct Fz as (_ & _ & _ & _ & Un), Fz' as (_ & _ & _ & _ & Un').
  apply Un in X1. apply Un' in X2. destruct X1 as (k & Ik & Xk), X2 as (l & Il & Xl).
  destruct (piece_name i U k A Ik) as [A1 A2]. destruct (piece_name j U' l B Il) as [B1 B2].
  destruct (concat_index (regions a) i j _ _ _ _ A1 B1 N A2 B2) as (i' & j' & N' & Hi & Hj).
  rewrite (piece_points i U k A Ik) in Xk. rewrite (piece_points j U' l B Il) in Xl.
  destruct (neighbours q a ok i' j' _ _ x Hi Hj N' Xk Xl) as (u & v & E1 & E2 & O).
  { intros I. apply Off, in_flat_map. exists k. split; [exact Ik|]. rewrite (piece_points i U k A Ik). exact I. }
  exists k, l, u, v. repeat split; auto. intros ->.
  assert (C : conv (shape_of a (map fst k))) by (apply (names_conv q a ok); eapply nth_error_In, Hi).
  apply (edge_ne _ _ _ C (shape_edge a _ v v E1)). reflexivity.
Qed.

Theorem linear_regions hints n : linear R (window_edges a) ms hints = Some n ->
  exists roots : list pat, NoDup roots /\ length roots = n /\ (forall r, In r roots -> has_interior q r) /\
    forall z, has_interior q z -> exists r, In r roots /\ connected q out z r /\ forall r', In r' roots -> connected q out z r' -> r' = r.
Proof.
  unfold linear. intros H. destruct (number 1 ms hints []) as [rs|] eqn:Hn; [|discriminate].
  apply number_ok in Hn. destruct Hn as (rs' & E0 & Mrs & Own). simpl in E0. subst rs'.
  set (L := tag_all R rs _) in *. pose proof (msort_perm (fun e f => negb (tlt f e)) L) as PL.
  destruct (msort _ L) as [|e l] eqn:Es; [discriminate|]. destruct (scan e l []) as [marks|] eqn:Hs; [|discriminate]. cbn zeta in H.
  destruct (paired _ && forallb _ rs) eqn:Hf; [|discriminate]. injection H as <-. apply andb_true_iff in Hf. destruct Hf as [_ Hf]. rewrite forallb_forall in Hf.
  assert (InL : forall x, In x (e :: l) <-> In x L) by (intros x; split; apply Permutation_in; [symmetry; exact PL | exact PL]).
  assert (InT : forall x r, In x L -> tag x = Some r -> exists i U k y, nth_error R i = Some U /\ nth_error rs i = Some r /\ In k U /\ In y (edges (map fst k)) /\ x = tagged (Some r) y).
  { intros x r I Tx. unfold L in I. apply tag_all_in in I. destruct I as [I|(i & U & r' & k & y & A & B & C & D & ->)].
    - rewrite rev_map_ok, app_nil_r, <- in_rev in I. apply in_map_iff in I. destruct I as (y & <- & _). unfold tagged in Tx. destruct (Pos.ltb _ _); discriminate.
    - assert (r' = r) by (unfold tagged in Tx; destruct (Pos.ltb _ _); cbn [tag] in Tx; congruence). subst r'. exists i, U, k, y. auto. }
  (* the three lists run in parallel *)
  assert (Lz : length zs = length R). { rewrite (Forall2_len _ _ _ zs_regions). unfold pieces. rewrite map_length, <- (R_names q a out R R_is), map_length. reflexivity. }
  assert (Lr : length rs = length R). { rewrite <- (map_length rmap rs), Mrs. symmetry. apply (Forall2_len _ _ _ ms_are). }
  set (items := combine zs rs).
  assert (Items : forall z r, In (z, r) items -> exists i U, nth_error zs i = Some z /\ nth_error rs i = Some r /\ nth_error R i = Some U /\ fits z U (rmap r)).
  { intros z r I. apply In_nth_error in I. destruct I as (i & I).
    assert (X : nth_error zs i = Some z /\ nth_error rs i = Some r).
    { clear - I. unfold items in I. revert I. generalize zs rs. intros l1 l2. revert i l2. induction l1 as [|x l1 IH]; intros [|i] [|y l2] I; cbn [combine nth_error] in I; try discriminate;
        [injection I as -> ->; auto | exact (IH _ _ I)]. }
    destruct X as [Xz Xr]. assert (XU : exists U, nth_error R i = Some U).
    { destruct (nth_error R i) as [U|] eqn:EU; [eauto|]. apply nth_error_None in EU. assert (i < length rs)%nat by (apply nth_error_Some; congruence). lia. }
    destruct XU as (U & XU). exists i, U. split; [exact Xz|]. split; [exact Xr|]. split; [exact XU|]. apply (fits_nth i); auto; rewrite <- Mrs, nth_error_map, Xr; reflexivity. }
  assert (Items' : forall i z r, nth_error zs i = Some z -> nth_error rs i = Some r -> In (z, r) items).
  { unfold items. generalize zs rs. intros l1 l2 i. revert l1 l2. induction i as [|i IH]; intros [|x l1] [|y l2] z r A B; cbn [nth_error] in A, B; try discriminate.
    - injection A as ->. injection B as ->. left; reflexivity.
    - right. apply IH; assumption. }
  assert (Fst : map fst items = zs).
  { unfold items. assert (X : length zs = length rs) by lia. revert X. generalize zs rs. clear. intros l1. induction l1 as [|x l1 IH]; intros [|y l2] X; simpl in X; try discriminate; [reflexivity|].
    simpl. f_equal. apply IH. lia. }
  (* twins are linked *)
  assert (Twin : forall x y r r', In x L -> In y L -> twins x y r r' -> exists z z', In (z, r) items /\ In (z', r') items /\ linked q out z z').
  { intros x y r r' Ix Iy (T1 & T2 & T3 & T4 & T5 & T6 & T7).
    destruct (InT x r Ix T5) as (i & U & k & [u v] & A1 & A2 & A3 & A4 & ->), (InT y r' Iy T6) as (j & U' & k' & [u' v'] & B1 & B2 & B3 & B4 & ->).
    unfold tagged in T1, T2, T3, T4. cbn [fst snd] in *.
    destruct (Pos.ltb u v); [discriminate|]. destruct (Pos.ltb u' v'); [|discriminate]. cbn [lo hi] in T1, T2. subst u' v'.
    assert (Zi : exists z, nth_error zs i = Some z). { destruct (nth_error zs i) eqn:E; [eauto|]. apply nth_error_None in E. assert (i < length R)%nat by (apply nth_error_Some; congruence). lia. }
    assert (Zj : exists z, nth_error zs j = Some z). { destruct (nth_error zs j) eqn:E; [eauto|]. apply nth_error_None in E. assert (j < length R)%nat by (apply nth_error_Some; congruence). lia. }
    destruct Zi as (z & Zi), Zj as (z' & Zj).
    assert (F1 : fits z U (rmap r)) by (apply (fits_nth i); auto; rewrite <- Mrs, nth_error_map, A2; reflexivity).
    assert (F2 : fits z' U' (rmap r')) by (apply (fits_nth j); auto; rewrite <- Mrs, nth_error_map, B2; reflexivity).
    exists z, z'. split; [apply (Items' i); assumption|]. split; [apply (Items' j); assumption|]. split; [apply zs_in, F1|]. split; [apply zs_in, F2|]. split.
    - apply (edge_shared i j U U' z z' (rmap r) (rmap r') k k' u v); assumption.
    - exists (forms_of q out (rmap r)). split; [apply (fits_map q a out ok R R_is zs z U _ F1)|]. rewrite T7. apply (fits_map q a out ok R R_is zs z' U' _ F2). }
  destruct (forest pat (linked q out) items) as (F1 & F2 & F3).
  - rewrite Fst. exact zs_once.
  - intros z z' (A & B & _). rewrite Fst. split; apply zs_in; assumption.
  - intros z r z' r' Iz Iz' (_ & _ & Sh & G & G1 & G2).
    destruct (Items z r Iz) as (i & U & Z1 & Z2 & Z3 & Z4), (Items z' r' Iz') as (j & U' & Y1 & Y2 & Y3 & Y4).
    destruct (Nat.eq_dec i j) as [->|N]; [congruence|].
    destruct (shared_edge i j U U' z z' _ _ Z3 Y3 N Z4 Y4 Sh) as (k & k' & u & v & K1 & K2 & K3 & K4 & K5).
    assert (Em : rmap r = rmap r').
    { apply (fits_inj q a out ok R R_is zs z z' U U' _ _ Z4 Y4).
      transitivity G; [symmetry; apply (fits_map q a out ok R R_is zs z U _ Z4), G1 | apply (fits_map q a out ok R R_is zs z' U' _ Y4), G2]. }
    assert (InTag : forall i U r k y, nth_error R i = Some U -> nth_error rs i = Some r -> In k U -> In y (edges (map fst k)) -> In (tagged (Some r) y) (e :: l)).
    { intros i0 U0 r0 k0 y0 A B C D. apply InL. unfold L. apply tag_all_in. right. exists i0, U0, r0, k0, y0. auto. }
    pose proof (InTag i U r k (u, v) Z3 Z2 K1 K3) as E1. pose proof (InTag j U' r' k' (v, u) Y3 Y2 K2 K4) as E2.
    pose proof (scan_labels l e [] marks Hs) as SL.
    assert (Tw : twins (tagged (Some r) (u, v)) (tagged (Some r') (v, u)) r r' \/ twins (tagged (Some r') (v, u)) (tagged (Some r) (u, v)) r' r).
    { unfold twins, tagged. cbn [fst snd]. destruct (Pos.ltb_spec u v), (Pos.ltb_spec v u); try lia; cbn [lo hi up tag]; auto 10. }
    destruct Tw as [Tw|Tw]; [|symmetry].
    + exact (SL _ _ _ _ E1 E2 Tw).
    + exact (SL _ _ _ _ E2 E1 Tw).
  - intros z r Iz. destruct (Items z r Iz) as (i & U & Z1 & Z2 & Z3 & Z4). specialize (Hf r (nth_error_In _ _ Z2)). apply orb_true_iff in Hf.
    destruct Hf as [Hf|Hf]; [left; apply Pos.eqb_eq, Hf|]. right. apply among_ok in Hf.
    destruct (scan_marks l e [] marks Hs _ Hf) as [[]|(f & g & r0 & r' & If & Ig & Tw & Ow & Dp & Lb)]. apply InL in If, Ig.
    assert (OwnInj : forall y s, In (y, s) items -> own s = own r -> y = z /\ s = r).
    { intros y s Iy Es'. destruct (Items y s Iy) as (j & U' & Y1 & Y2 & _). rewrite (Own i r Z2), (Own j s Y2) in Es'.
      assert (j = i) by lia. subst j. split; congruence. }
    destruct Tw as [Tw|Tw].
    + destruct (Twin f g r0 r' If Ig Tw) as (y & y' & I1 & I2 & Lk). destruct (OwnInj y r0 I1 Ow) as [-> ->].
      exists y', r'. split; [exact I2|]. split; [apply rst_step, Lk|]. split; assumption.
    + destruct (Twin g f r' r0 Ig If Tw) as (y' & y & I2 & I1 & Lk). destruct (OwnInj y r0 I1 Ow) as [-> ->].
      exists y', r'. split; [exact I2|]. split; [apply rst_sym, rst_step, Lk|]. split; assumption.
  - intros z r z' r' Iz Iz' Eo. destruct (Items z r Iz) as (i & U & Z1 & Z2 & _), (Items z' r' Iz') as (j & U' & Y1 & Y2 & _).
    rewrite (Own i r Z2), (Own j r' Y2) in Eo. assert (j = i) by lia. subst j. congruence.
  - exists (roots pat items). split; [exact F1|]. split; [|split].
    + rewrite tally_ok. unfold roots. rewrite map_length. cbn [Nat.add]. unfold items.
      assert (X : length zs = length rs) by lia. revert X. generalize zs rs. clear. intros l1. induction l1 as [|x l1 IH]; intros [|y l2] X; simpl in X; try discriminate; [reflexivity|].
      cbn [combine filter snd]. destruct (is_root y); cbn [length]; [f_equal|]; apply IH; lia.
    + intros r I. apply zs_in. rewrite <- Fst. apply F2, I.
    + intros z Hz. rewrite Fst in F3. apply F3, zs_in, Hz.
Qed.
End linear.
